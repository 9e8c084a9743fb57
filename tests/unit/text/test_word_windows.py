from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from domainlm.text.word_windows import WordChoice, WordWindow, word_windows

_TEXT = "The old ship left port. \nIt came back at noon, empty.\nNo one knew why.\n\nA second log begins here.\n\n"
_CHOICE = WordChoice(rate=0.3, max_characters=40, max_word_characters=8, seed=7)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "held_out.txt"
    path.write_text(_TEXT, encoding="utf-8")
    return path


def _chosen(windows: list[WordWindow]) -> list[str]:
    return [word for window in windows for word, chosen in zip(window.words, window.is_chosen, strict=True) if chosen]


def test_windows_hold_whole_sentences_of_one_document(text: Path) -> None:
    windows = list(word_windows(text, _CHOICE))
    assert [" ".join(window.words) for window in windows] == [
        "The old ship left port .",
        "It came back at noon , empty .",
        "No one knew why .",
        "A second log begins here .",
    ]
    wide = WordChoice(rate=0.3, max_characters=1000, max_word_characters=8, seed=7)
    assert [len(window.words) for window in word_windows(text, wide)] == [6 + 8 + 5, 6]


def test_a_long_sentence_is_cut_between_words(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("one two three four five six\n", encoding="utf-8")
    choice = WordChoice(rate=0.3, max_characters=10, max_word_characters=8, seed=7)
    assert [window.words for window in word_windows(path, choice)] == [
        ("one", "two"),
        ("three", "four"),
        ("five", "six"),
    ]


def test_the_choice_does_not_depend_on_the_windows(text: Path) -> None:
    """Beyond the rate's words, each window may add one of its own."""
    narrow = WordChoice(rate=0.5, max_characters=12, max_word_characters=8, seed=3)
    wide = WordChoice(rate=0.5, max_characters=500, max_word_characters=8, seed=3)
    few, many = _chosen(list(word_windows(text, wide))), _chosen(list(word_windows(text, narrow)))
    assert [word for word in many if word in few] == few
    assert list(chain.from_iterable(window.words for window in word_windows(text, narrow))) == list(
        chain.from_iterable(window.words for window in word_windows(text, wide))
    )


def test_the_rate_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(["a few words stand in this line"] * 6000) + "\n", encoding="utf-8")
    windows = list(word_windows(path, WordChoice(rate=0.15, max_characters=300, max_word_characters=9, seed=1)))
    share = sum(int(window.is_chosen.sum()) for window in windows) / 42_000
    assert share == pytest.approx(0.15, abs=0.006)  # three standard deviations: 0.0052


def test_each_window_has_a_word_and_long_words_are_never_chosen(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("unfathomable tide\nunfathomable\n", encoding="utf-8")
    choice = WordChoice(rate=1e-9, max_characters=17, max_word_characters=8, seed=1)
    first, second = word_windows(path, choice)
    assert first.is_chosen.tolist() == [False, True]
    assert second.is_chosen.tolist() == [False]


def test_some_windows_may_be_taken(text: Path) -> None:
    all_windows = [window.words for window in word_windows(text, _CHOICE)]
    assert [window.words for window in word_windows(text, _CHOICE, every=3)] == all_windows[::3]


def test_halves_part_at_the_sentence_nearest_to_the_middle(text: Path) -> None:
    wide = WordChoice(rate=0.3, max_characters=1000, max_word_characters=8, seed=7)
    three, one = word_windows(text, wide)
    assert three.words[three.middle] == "It"  # 19 of 51 characters stand before it, 42 before "No"
    assert one.words[one.middle] == "begins"  # 10 of 21 characters stand before it


def test_the_same_text_gives_the_same_windows(text: Path) -> None:
    one, other = list(word_windows(text, _CHOICE)), list(word_windows(text, _CHOICE))
    for left, right in zip(one, other, strict=True):
        assert np.array_equal(left.is_chosen, right.is_chosen)

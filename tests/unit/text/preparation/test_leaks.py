from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from domainlm.api import Document
from domainlm.text.corpus import document_sentences
from domainlm.text.preparation.hashing import hash_words
from domainlm.text.preparation.leaks import GuardedText, Leak, LeakGuard, LeakSettings

_TEXT = "melt the butter in a pan and stir in the flour until it is golden then add the milk slowly and boil"
_RECIPE = _TEXT.split(" ")


def _check(guard: LeakGuard, texts: Sequence[str]) -> dict[int, Leak]:
    return guard.check(*hash_words(texts))


def _guard(*texts: str, settings: LeakSettings | None = None) -> LeakGuard:
    guarded = [GuardedText("recipes, test", f"r{number}", text) for number, text in enumerate(texts)]
    return LeakGuard.of(guarded, settings or LeakSettings())


def test_thirteen_words_in_a_row_are_four_runs_of_ten_and_leak() -> None:
    guard = _guard("Something else.", _TEXT)
    before = ["word"] * 50
    texts = [" ".join([*before, *_RECIPE[:num_words], *before]) for num_words in (12, 13)]
    leaks = _check(guard, texts)
    assert list(leaks) == [1]
    assert (leaks[1].task, leaks[1].example, leaks[1].num_shared) == ("recipes, test", "r1", 4)


def test_capitals_and_punctuation_do_not_count() -> None:
    tokenised = "Melt ( the ) butter in a pan , and stir in the FLOUR until it is golden ; then add the milk ."
    assert list(_check(_guard(_TEXT), [tokenised])) == [0]


def test_accents_may_be_written_in_two_ways_and_control_characters_do_not_count() -> None:
    text = "Glac\u00e9 cherries, cr\u00e8me fra\u00eeche and p\u00e2t\u00e9 on a souffl\u00e9 of caf\u00e9 cr\u00eape."
    guarded = unicodedata.normalize("NFD", text).replace("cherries", "cher\u0007ries")
    (sentence,) = document_sentences(Document("a", (text,)))
    assert list(_check(_guard(guarded), [sentence])) == [0]


def test_a_text_without_blanks_between_its_words_leaks_as_others_do() -> None:
    sentence = (
        "\u8239\u957f\u628a\u5e06\u964d\u4e0b\u6765\uff0c\u7b49\u6f6e\u6c34\u9000\u53bb\u4ee5\u540e\u518d\u51fa\u6d77"
    )
    around = "\u98ce\u5f88\u5927\u3002" * 20
    tokenised = " ".join(sentence[place : place + 2] for place in range(0, len(sentence), 2))
    assert list(_check(_guard(tokenised), [around + sentence + around, around])) == [0]


def test_a_run_that_comes_again_and_again_is_one_run() -> None:
    boilerplate = " ".join(_RECIPE[:10])
    text = " and once more ".join([boilerplate, *[boilerplate + " so"] * 9])
    assert _check(_guard(boilerplate), [text]) == {}


def test_a_short_document_leaks_by_its_share() -> None:
    guard = _guard(_TEXT)
    leaks = _check(
        guard, [" ".join(_RECIPE[:11]), " ".join([*_RECIPE[:10], "quite", "another", "thing", "was", "said"])]
    )
    assert list(leaks) == [0]
    assert (leaks[0].num_shared, leaks[0].share) == (2, 1.0)


def test_a_document_shorter_than_a_run_leaks_as_a_whole_example_only() -> None:
    guard = _guard("Melt the butter.", _TEXT)
    assert list(_check(guard, ["melt the butter", "the butter", "butter the melt", "", "?!"])) == [0]


def test_runs_reach_over_the_examples_of_one_document() -> None:
    first, second = " ".join(_RECIPE[:6]), " ".join(_RECIPE[6:])
    of_one = [GuardedText("recipes, test", "7:0", first), GuardedText("recipes, test", "7:1", second)]
    of_two = [GuardedText("recipes, test", "7:0", first), GuardedText("recipes, test", "8:0", second)]
    text = " ".join(_RECIPE[:14])
    assert list(_check(LeakGuard.of(of_one, LeakSettings()), [text])) == [0]
    assert list(_check(LeakGuard.of(of_two, LeakSettings()), [text])) == []


def test_a_guard_of_nothing_finds_nothing() -> None:
    assert _check(_guard(), ["anything at all"]) == {}
    assert _check(_guard("", " . "), ["", "anything at all"]) == {}


def test_a_guard_is_the_same_after_saving(tmp_path: Path) -> None:
    guard = _guard("Melt the butter.", _TEXT, settings=LeakSettings(num_words=4, min_shared=2, min_share=0.9))
    guard.save(tmp_path / "guard")
    loaded = LeakGuard.load(tmp_path / "guard")
    texts = [" ".join(_RECIPE[:5]), " ".join(_RECIPE[:4]), "melt the butter", "nothing"]
    assert _check(loaded, texts) == _check(guard, texts) != {}
    assert loaded.digest == guard.digest != _guard("Melt the butter.").digest


_SENTENCES = st.lists(st.lists(st.sampled_from("abc"), max_size=12).map(" ".join), max_size=5)


@given(_SENTENCES, _SENTENCES, st.integers(1, 4), st.integers(1, 3), st.sampled_from([0.3, 0.5, 1.0]))
def test_what_leaks_is_what_the_definition_says(
    guarded: list[str], texts: list[str], length: int, min_shared: int, min_share: float
) -> None:
    def runs(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        if 0 < len(words) < length:
            return {tuple(words)}
        return {tuple(words[first : first + length]) for first in range(len(words) - length + 1)}

    known = {run for text in guarded for run in runs(text)}
    expected = []
    for number, text in enumerate(texts):
        own = runs(text)
        shared = own & known
        if shared and (len(shared) >= min_shared or len(shared) / len(own) >= min_share):
            expected.append((number, len(shared)))
    settings = LeakSettings(num_words=length, min_shared=min_shared, min_share=min_share)
    leaks = _check(_guard(*guarded, settings=settings), texts)
    assert [(number, leak.num_shared) for number, leak in sorted(leaks.items())] == expected

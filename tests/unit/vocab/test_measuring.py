"""Samples, the fit of a vocabulary to a text, what two vocabularies share, and making one with its report."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from domainlm.api import VocabularySettings, VocabularySpec
from domainlm.errors import DataError, PluginError, VocabularyError
from domainlm.vocab import making
from domainlm.vocab.background import run_answerably
from domainlm.vocab.learn import learner_of
from domainlm.vocab.making import make_vocabulary
from domainlm.vocab.measure import count_runs, describe, measure_text
from domainlm.vocab.overlap import overlap
from domainlm.vocab.sample import EvenSample, in_even_order
from domainlm.vocab.vocabulary import Vocabulary

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def _vocabulary(folder: Path, *entries: str) -> Vocabulary:
    path = folder / f"{len(list(folder.iterdir()))}.txt"
    path.write_text("\n".join([*_SPECIAL, *entries]) + "\n", encoding="utf-8")
    return Vocabulary.load(path, cased=True)


@given(st.lists(st.text("ab", max_size=30), min_size=1, max_size=40), st.integers(0, 400))
def test_a_sample_is_even_and_within_its_limit(sentences: list[str], limit: int) -> None:
    sample = EvenSample(lambda: sentences, limit)
    taken = list(sample)
    assert sample.num_taken == sum(map(len, taken))
    assert list(sample) == taken
    if sample.num_characters <= limit:
        assert taken == sentences
        return
    assert sample.num_taken <= limit
    rest = iter(sentences)
    assert all(any(sentence == other for other in rest) for sentence in taken)  # in order, whole


def test_every_part_of_a_text_gives_its_share() -> None:
    sentences = [str(number) * 10 for number in range(10)] * 100  # 10,000 characters in ten kinds of sentences
    taken = list(EvenSample(lambda: sentences, 2_500))
    assert len(taken) == 250
    thousands = [list(EvenSample(lambda: sentences, 2_500))[start : start + 25] for start in range(0, 250, 25)]
    assert all(len(part) == 25 for part in thousands)
    places = [place for place in range(1000) if (place + 1) * 1 % 4 == 2]
    assert taken == [sentences[place] for place in places]  # each fourth one


@given(st.integers(0, 3_000), st.data())
def test_any_beginning_of_an_even_order_is_even(size: int, data: st.DataObject) -> None:
    order = list(in_even_order(range(size)))
    assert sorted(order) == list(range(size))
    num_taken = data.draw(st.integers(0, size))
    if num_taken:
        taken = sorted(order[:num_taken])
        gaps = [later - former for former, later in zip([-1, *taken], [*taken, size], strict=True)]
        assert max(gaps) <= 3 * size / num_taken + 1


def test_tokens_with_blanks_in_them_are_said_not_to_be_met(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = Tokenizer.from_str(json.dumps(_vocabulary(tmp_path, "new", "york").description))
    tokenizer.add_tokens(["york", "new york"])
    fit, _ = measure_text(Vocabulary(tokenizer, where="test"), count_runs(["new york"]))
    assert fit.num_sub_tokens == 2
    assert "1, as 'new york'" in caplog.text
    caplog.clear()
    measure_text(_vocabulary(tmp_path, "new", "york"), count_runs(["new york"]))
    assert not caplog.text


def test_a_text_is_measured_by_hand(tmp_path: Path) -> None:
    vocabulary = _vocabulary(tmp_path, "ship", "##s", ",", "sail")
    fit, used = measure_text(vocabulary, count_runs(["ships, ship\tsail", "ship oars,"]))
    # pieces of the five runs: ship ##s and a comma; ship; sail; ship; [UNK] and a comma
    assert (fit.num_characters, fit.num_runs, fit.num_sub_tokens) == (6 + 4 + 4 + 4 + 5, 5, 8)
    assert (fit.num_unknown, fit.num_unknown_characters, fit.num_whole, fit.num_used) == (1, 4, 3, 4)
    assert fit.characters_per_sub_token == 23 / 8
    assert fit.unknown_rate == 1 / 8
    assert fit.coverage == pytest.approx(19 / 23)
    assert dict(zip(vocabulary.tokens(used), used.values(), strict=True)) == {
        "ship": 3, "##s": 1, ",": 2, "sail": 1, "[UNK]": 1,
    }  # fmt: skip


def test_a_text_without_a_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sub-token"):
        measure_text(_vocabulary(tmp_path, "a"), count_runs([" "]))


def test_a_vocabulary_is_described(tmp_path: Path) -> None:
    report = describe(_vocabulary(tmp_path, "a", "b", "##a", "ab"), ["ab a"])
    assert (report["kind"], report["size"], report["num_characters_in_alphabet"]) == ("wordpiece", 9, 2)
    assert (report["num_word_beginnings"], report["num_continuations"]) == (3, 1)
    assert report["text"]["num_sub_tokens"] == 2


def test_shared_entries_are_counted(tmp_path: Path) -> None:
    first, second = _vocabulary(tmp_path, "ship", "##s", "s", "sail"), _vocabulary(tmp_path, "ship", "##s", "oar")
    runs = count_runs(["ships ship sail"])
    found = overlap(first, second, measure_text(first, runs)[1], measure_text(second, runs)[1])
    assert (found.num_first, found.num_second, found.num_shared) == (4, 3, 2)
    assert found.jaccard == 2 / 5
    assert found.share_of_first_text == 3 / 4  # ship ##s ship, not sail
    assert found.share_of_second_text == 3 / 4  # ship ##s ship, not [UNK]
    assert overlap(first, second).share_of_first_text is None


def test_entries_of_different_kinds_are_compared(learned: Callable[[str], Vocabulary]) -> None:
    for first, second in (("wordpiece", "unigram"), ("wordpiece", "bpe")):
        found = overlap(learned(first), learned(second))
        assert 50 < found.num_shared < 325
    assert overlap(learned("bpe"), learned("bpe")).jaccard == 1.0


def test_a_vocabulary_is_made_with_its_report(
    log_lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "MAX_CHARACTERS_DESCRIBED", 500)
    spec = VocabularySpec(name="core/unigram", description="u", algorithm="unigram")
    settings = VocabularySettings(size=120, cased=True, max_characters=5000)
    report = make_vocabulary(spec, settings, lambda: log_lines, tmp_path, "log")
    assert report["num_characters_in_corpus"] == sum(map(len, log_lines))
    assert 4900 < report["num_characters_learned_from"] <= 5000
    assert report["text"]["num_characters"] <= 500
    assert report["digest"] == Vocabulary.load(tmp_path).digest
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize(
    ("declared", "asked", "remedy"),
    [
        (True, True, r"obey settings\.cased in `learn`, or declare VocabularySpec\(cased=False\)"),
        (False, True, r"leave out vocabulary\.cased: what this spec learns is uncased"),
        (False, False, None),
    ],
)
def test_a_plugin_that_learns_without_capitals_is_told_who_can_mend_it(
    log_lines: list[str], tmp_path: Path, *, declared: bool, asked: bool, remedy: str | None
) -> None:
    def learn(sentences: Iterator[str], settings: VocabularySettings) -> str:
        core = learner_of(VocabularySpec(name="core/wordpiece", description="w", algorithm="wordpiece"))
        return core(sentences, replace(settings, cased=False))

    spec = VocabularySpec(name="logs/low", description="low", algorithm="custom", cased=declared, learn=learn)
    settings = VocabularySettings(size=120, cased=asked)
    if remedy is None:
        assert make_vocabulary(spec, settings, lambda: log_lines, tmp_path, "log")["cased"] is False
        return
    with pytest.raises(VocabularyError, match="is uncased, and cased was asked for") as caught:
        make_vocabulary(spec, settings, lambda: log_lines, tmp_path, "log")
    assert re.search(remedy, str(caught.value.remedy))


@pytest.mark.parametrize(
    ("learn", "problem"),
    [
        (lambda *_: str(1 // 0), "the vocabulary could not be learned: ZeroDivisionError"),
        (lambda *_: None, "`learn` must return a text"),
        (lambda *_: "hello", "what `learn` returned is no vocabulary: not a tokenizer"),
        (lambda *_: '{"model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}}', "no vocabulary"),
    ],
)
def test_a_plugin_that_cannot_learn_one_is_named(
    log_lines: list[str], tmp_path: Path, learn: Callable[..., str], problem: str
) -> None:
    spec = VocabularySpec(name="logs/low", description="low", algorithm="custom", learn=learn)
    with pytest.raises(PluginError, match=re.escape(problem)) as caught:
        make_vocabulary(spec, VocabularySettings(size=120, cased=True), lambda: log_lines, tmp_path, "log")
    assert f"plugin {__name__}, logs/low@1, {__file__}:" in str(caught.value.where)


def test_errors_and_results_come_out_of_the_other_thread() -> None:
    assert run_answerably(lambda: threading.current_thread() is not threading.main_thread(), "title")
    with pytest.raises(ZeroDivisionError):
        run_answerably(lambda: 1 // 0, "title")


def test_an_interrupt_comes_through_at_once() -> None:
    done = threading.Event()
    threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_answerably(lambda: done.wait(20), "title")
    assert time.monotonic() - start < 10
    done.set()

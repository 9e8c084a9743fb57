from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.api import VocabularySettings
from domainlm.errors import VocabularyError
from domainlm.vocab import learn
from domainlm.vocab.learn import learn_wordpiece
from domainlm.vocab.vocabulary import Vocabulary

_TEXT = ["low low low low low", "lower lower", "newest newest newest newest newest newest", "widest widest widest"]


def _load(folder: Path, text: str) -> Vocabulary:
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    return Vocabulary.load(folder)


def _entries(folder: Path, text: str) -> list[str]:
    vocabulary = _load(folder, text)
    return vocabulary.tokens(range(vocabulary.size))


def test_merges_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    # The example of Sennrich et al. 2016, section 3.2. The most frequent pairs: es, st 9; we 8; lo, ow 7; ne, ew 6. Of
    # equals the one whose first piece stands earlier in the list is merged. So: e+s 9; es+t 9; l+o 7 (l stands before
    # o); lo+w 7; n+e 6 (before e+w and w+est); w+est 6 (before ne+w, ne being new); ne+west 6.
    entries = _entries(tmp_path, learn_wordpiece(_TEXT, VocabularySettings(size=5 + 10 + 8 + 7, cased=True)))
    single = [*"deilnorstw", "##d", "##e", "##i", "##o", "##r", "##s", "##t", "##w"]
    assert entries[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert entries[5:23] == single
    assert entries[23:] == ["##es", "##est", "lo", "low", "ne", "##west", "newest"]


def test_the_vocabulary_has_the_size_asked_for_and_encodes_its_text(tmp_path: Path) -> None:
    vocabulary = _load(tmp_path, learn_wordpiece(_TEXT, VocabularySettings(size=30, cased=True)))
    assert vocabulary.size == 30
    assert vocabulary.special_ids == (0, 1, 2, 3, 4)
    for ids in vocabulary.encode_batch(_TEXT):
        assert vocabulary.unk_id not in ids


def test_an_uncased_vocabulary_merges_capitals_and_accents(tmp_path: Path) -> None:
    sentences = ["Caf\u00e9 CAFE cafe", "caf\u00e9"]
    uncased = _load(tmp_path, learn_wordpiece(sentences, VocabularySettings(size=15, cased=False)))
    assert not uncased.cased
    assert uncased.encode_batch(["CAF\u00c9"]) == uncased.encode_batch(["cafe"])
    assert "cafe" in uncased.tokens(range(uncased.size))
    cased = _load(tmp_path, learn_wordpiece(sentences, VocabularySettings(size=22, cased=True, min_frequency=1)))
    assert cased.cased
    assert cased.encode_batch(["CAFE"]) != cased.encode_batch(["cafe"])


@pytest.mark.parametrize("min_frequency", [1, 3])
def test_a_corpus_that_is_too_small_says_how_many_entries_it_gives(tmp_path: Path, min_frequency: int) -> None:
    with pytest.raises(VocabularyError, match="gives only") as caught:
        learn_wordpiece(_TEXT, VocabularySettings(size=10_000, cased=True, min_frequency=min_frequency))
    num_given = int(str(caught.value.allowed).split()[2])
    largest = VocabularySettings(size=num_given, cased=True, min_frequency=min_frequency)
    assert len(_entries(tmp_path, learn_wordpiece(_TEXT, largest))) == num_given
    assert caught.value.given == 10_000


def test_a_vocabulary_below_its_alphabet_says_what_it_needs() -> None:
    with pytest.raises(VocabularyError, match="smaller than the alphabet") as caught:
        learn_wordpiece(_TEXT, VocabularySettings(size=22, cased=True))
    assert "at least 23" in str(caught.value.allowed)


def test_rare_characters_are_left_out(tmp_path: Path) -> None:
    text = learn_wordpiece([*_TEXT, "low\u2021 \u2021low q"], VocabularySettings(size=29, cased=True, min_frequency=3))
    vocabulary = _load(tmp_path, text)
    assert not {"\u2021", "q", "##q"} & set(vocabulary.tokens(range(29)))
    assert vocabulary.encode_batch(["q low"])[0][0] == vocabulary.unk_id


def test_no_more_characters_are_kept_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn, "MAX_CHARACTERS", 3)
    entries = _entries(
        tmp_path, learn_wordpiece(["aaab", "bb cc dd", "aab ddd"], VocabularySettings(size=12, cased=True))
    )
    assert entries[5:11] == ["a", "b", "d", "##a", "##b", "##d"]  # a 5, d 5, b 4; c 2


def test_special_tokens_in_the_text_are_text(tmp_path: Path) -> None:
    text = learn_wordpiece(["[MASK] [MASK] [SEP] sails"] * 3, VocabularySettings(size=32, cased=True))
    entries = _entries(tmp_path, text)
    assert entries.count("[MASK]") == 1
    assert "MASK" in entries


@settings(max_examples=20)
@given(st.permutations(_TEXT * 2))
def test_the_order_of_the_sentences_does_not_matter(sentences: list[str]) -> None:
    wanted = VocabularySettings(size=32, cased=True)
    assert learn_wordpiece(sentences, wanted) == learn_wordpiece(_TEXT * 2, wanted)


def test_ties_are_decided_the_same_way_each_time() -> None:
    draws = random.Random(7)  # noqa: S311
    words = ["".join(draws.choices("abcd", k=draws.randint(2, 9))) for _ in range(400)]
    wanted = VocabularySettings(size=150, cased=True)
    assert len({learn_wordpiece(words, wanted) for _ in range(20)}) == 1

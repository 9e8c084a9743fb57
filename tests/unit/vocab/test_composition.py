from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tokenizers import Tokenizer

from domainlm.errors import VocabularyError
from domainlm.vocab.added import with_added_tokens
from domainlm.vocab.composition import Part, compose, shared_entries
from domainlm.vocab.grow import best_words, grow
from domainlm.vocab.measure import count_runs, measure_text
from domainlm.vocab.similarity import entry_vectors, similarity_mixtures, sparsemax
from domainlm.vocab.vocabulary import Vocabulary

MakeVocabulary = Callable[..., Vocabulary]
OLD = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ship", "##s", "sail", "##ing", "a", "##b", "##bs"]
NEW = ["[CLS]", "[PAD]", "[UNK]", "ships", "[MASK]", "[SEP]", "ship", "##sing", "##s", "sailings", "q", "##bsb", "as"]


@pytest.fixture
def make(tmp_path: Path) -> MakeVocabulary:
    numbers = itertools.count()

    def make(entries: list[str], *, cased: bool = False) -> Vocabulary:
        path = tmp_path / f"{next(numbers)}.txt"
        path.write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
        return Vocabulary.load(path, cased=cased)

    return make


def test_new_entries_are_means_of_what_they_were_cut_into(make: MakeVocabulary) -> None:
    """Gee et al. 2022: each row below is worked out by hand from OLD."""
    old, new = make(OLD), make(NEW)
    rows = np.eye(len(OLD), dtype=np.float32)
    made = compose(old, new, start="mean")
    expected = {
        "[CLS]": {2: 1.0},
        "[PAD]": {0: 1.0},
        "[UNK]": {1: 1.0},
        "[MASK]": {4: 1.0},
        "[SEP]": {3: 1.0},
        "ships": {5: 0.5, 6: 0.5},
        "ship": {5: 1.0},
        "##sing": {6: 0.5, 8: 0.5},
        "##s": {6: 1.0},
        "sailings": {7: 1 / 3, 8: 1 / 3, 6: 1 / 3},
        "##bsb": {11: 0.5, 10: 0.5},
        "as": {9: 0.5, 6: 0.5},
    }
    applied = made.apply(rows, seed=0)
    for number, entry in enumerate(NEW):
        if entry == "q":
            assert made.parts[number] is None
            continue
        row = np.zeros(len(OLD), np.float32)
        for place, weight in expected[entry].items():
            row[place] = weight
        np.testing.assert_array_equal(applied[number], row)
    assert made.counts == {"num_special": 5, "num_copied": 2, "num_averaged": 5, "num_mixed": 0, "num_random": 1}
    biases = made.apply(np.arange(len(OLD), dtype=np.float32), seed=0)
    assert biases[:10].tolist() == [2.0, 0.0, 1.0, 5.5, 4.0, 3.0, 5.0, 7.0, 6.0, 7.0]


def test_capitals_are_read_as_the_old_vocabulary_reads_them(make: MakeVocabulary) -> None:
    old, new = make(OLD), make([*OLD[:5], "Ship", "SHIPS", "##S"], cased=True)
    assert shared_entries(old, new) == {}
    made = compose(old, new, start="mean")
    assert [part.ids if part else None for part in made.parts[5:]] == [(5,), (5, 6), (6,)]


def test_what_goes_on_is_normalised_as_the_old_vocabulary_does_it(
    make: MakeVocabulary, learned: Callable[[str], Vocabulary]
) -> None:
    """An uncased BERT reads an accent as its letter, a ligature as it is, and an ideograph as a word."""
    old = make([*OLD[:5], "e", "##e", "##s", "##\ufb01", "\u4e2d"])
    new = make([*OLD[:5], "##\u00e9", "##\u00c9S", "e\u00e9", "##\ufb01", "##\u4e2d", "##\u0301"], cased=True)
    made = compose(old, new, start="mean")
    assert [part and part.ids for part in made.parts[5:]] == [(6,), (6, 7), (5, 6), (8,), (9,), None]
    # A cased one keeps accents, and has no such letter.
    cased = make([*OLD[:5], "e", "##e"], cased=True)
    assert compose(cased, new, start="mean").parts[5] is None
    # Some vocabularies' normaliser puts their mark before whatever it is given.
    marked = learned("unigram")
    description = marked.description
    prepended = [
        {"type": "Prepend", "prepend": "\u2581"},
        {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
    ]
    description["normalizer"] = {"type": "Sequence", "normalizers": prepended}
    description["pre_tokenizer"] = None
    marked = Vocabulary(Tokenizer.from_str(json.dumps(description)), where="test")
    assert marked.normalised("ing") == "ing"


@pytest.mark.parametrize("start", ["mean", "random"])
def test_further_special_tokens_of_both_keep_their_rows(start: Literal["mean", "random"], make: MakeVocabulary) -> None:
    def special(name: str, number: int) -> dict[str, object]:
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        return {"content": name, "id": number, **flags}

    names = ["[DRUG]", "[OLD]"]
    old = with_added_tokens(make(OLD), [special(name, len(OLD) + n) for n, name in enumerate(names)], "test")
    names = ["[NEW]", "[DRUG]"]
    new = with_added_tokens(make(NEW), [special(name, len(NEW) + n) for n, name in enumerate(names)], "test")
    made = compose(old, new, start=start)
    assert made.parts[-2:] == (None, Part((len(OLD),), (1.0,)))
    assert made.origins[-2:] == ("random", "special")
    assert made.counts["num_special"] == 6
    assert shared_entries(old, new).keys() == {6, 8}  # ordinary entries alone


def test_a_byte_is_made_of_bytes_alone(make: MakeVocabulary, learned: Callable[[str], Vocabulary]) -> None:
    """Byte 0xa1 is written as four characters, each of which WordPiece has as an entry."""
    new = learned("bpe")
    numbers = [number for number, piece in enumerate(new.pieces) if re.fullmatch(r"\\x[0-9a-f]{2}", piece.text)]
    assert len(numbers) >= 120
    old = make([*OLD[:5], "\\", "x", "##x", *(f"##{digit}" for digit in "0123456789abcdef")], cased=True)
    made = compose(old, new, start="mean")
    assert {made.parts[number] for number in numbers} == {None}
    made = compose(new, new, start="mean", copies_shared=False)
    assert all(made.parts[number] == Part((number,), (1.0,)) for number in numbers if new.is_continuation[number])


def test_random_entries_have_the_moments_of_the_old_ones(make: MakeVocabulary) -> None:
    old = make(OLD)
    new = make([*OLD[:6], *(f"n{number}" for number in range(4000))])
    values = np.random.Generator(np.random.PCG64(1)).normal(3.0, 2.0, (len(OLD), 2)).astype(np.float32)
    made = compose(old, new, start="random")
    rows = made.apply(values, seed=7)
    np.testing.assert_array_equal(rows[:6], values[:6])
    np.testing.assert_allclose(rows[6:].mean(axis=0), values.mean(axis=0), atol=0.15)
    np.testing.assert_allclose(rows[6:].std(axis=0), values.std(axis=0), rtol=0.05)
    np.testing.assert_array_equal(rows, made.apply(values, seed=7))
    assert not np.array_equal(rows, made.apply(values, seed=8))
    alone = compose(old, new, start="random", copies_shared=False)
    assert alone.origins[5] == "random"
    assert alone.counts["num_special"] == 5


@pytest.mark.parametrize("kinds", [*itertools.product(["wordpiece", "bpe", "unigram"], repeat=2)], ids="-".join)
def test_any_kind_goes_over_to_any_other(kinds: tuple[str, str], learned: Callable[[str], Vocabulary]) -> None:
    old, new = map(learned, kinds)
    made = compose(old, new, start="mean")
    values = np.random.Generator(np.random.PCG64(1)).normal(size=(old.size, 3)).astype(np.float32)
    rows = made.apply(values, seed=0)
    for mine, theirs in shared_entries(old, new).items():
        np.testing.assert_array_equal(rows[mine], values[theirs])
    assert made.counts["num_copied"] > 80
    special = set(old.special_ids)
    alphabet = {letter for number, piece in enumerate(old.pieces) if number not in special for letter in piece.text}
    unknown = [piece.text for piece, part in zip(new.pieces, made.parts, strict=True) if part is None]
    assert all(not text or "\\x" in text or set(text) - alphabet for text in unknown)  # "\\x": bytes of no character
    if kinds[0] == kinds[1]:
        np.testing.assert_array_equal(rows, values)


def test_sparsemax_is_the_nearest_point_of_the_simplex() -> None:
    """Martins and Astudillo 2016: of two choices that differ by d < 1, (1 + d) / 2 and the rest; else all for one."""
    scores = np.array([[0.5, 0.0], [2.0, 0.0], [0.1, 0.1]])
    np.testing.assert_allclose(sparsemax(scores), [[0.75, 0.25], [1.0, 0.0], [0.5, 0.5]])


@given(arrays(np.float64, (3, 5), elements=st.floats(-3, 3)), arrays(np.float64, 5, elements=st.floats(0, 1)))
def test_no_other_point_of_the_simplex_is_nearer(scores: np.ndarray, other: np.ndarray) -> None:
    weights = sparsemax(scores)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    point = (other + 0.01) / (other + 0.01).sum()
    assert (((weights - scores) ** 2).sum(axis=1) <= ((point - scores) ** 2).sum(axis=1) + 1e-9).all()


def test_alike_entries_are_mixed_by_their_neighbours(make: MakeVocabulary) -> None:
    words = ["ship", "cook", "left", "burnt", "early", "soup", "harbour", "bread"]
    old = make([*OLD[:5], *words])
    new = make([*OLD[:5], "vessel", *words, "never"])
    draw = random.Random(3)  # noqa: S311 - test data
    text = []
    for _ in range(400):
        text.append(f"{draw.choice(['ship', 'vessel'])} left harbour {draw.choice(['early', 'left'])}")
        text.append(f"cook burnt {draw.choice(['soup', 'bread'])} {draw.choice(['early', 'burnt'])}")
    shared = shared_entries(old, new)
    mixtures = similarity_mixtures(new, shared, text, 100_000)
    assert mixtures.keys() == {5}
    weights = dict(zip(old.tokens(mixtures[5].ids), mixtures[5].weights, strict=True))
    assert sum(weights.values()) == pytest.approx(1.0)
    assert max(weights, key=weights.__getitem__) == "ship"
    assert weights.get("cook", 0.0) == weights.get("soup", 0.0) == 0.0
    assert similarity_mixtures(new, shared, text, 100_000) == mixtures
    made = compose(old, new, start="similarity", mixtures=mixtures)
    assert (made.origins[5], made.origins[14]) == ("mixed", "random")
    _, occurrences = entry_vectors(new, text, 10)
    assert occurrences.sum() == 10
    assert similarity_mixtures(new, {}, text, 100) == {}


def test_the_words_that_save_most_are_added(make: MakeVocabulary) -> None:
    """By hand: "ships" 2 sub-tokens x 5, "sailings" 3 x 3, "as" 2 x 5, "absab" unknown: saved 5, 6, 5 and nothing."""
    old = make(OLD)
    text = ["ships ships ships ships ships", "sailings sailings sailings", "as as as as as ship absab"]
    assert best_words(old, text, 3, 2) == ["sailings", "as", "ships"]
    with pytest.raises(VocabularyError, match="fewer words"):
        best_words(old, text, 4, 2)
    grown = grow(old, best_words(old, text, 2, 2))
    assert grown.tokens(range(grown.size)) == [*OLD, "sailings", "as"]
    before, after = (measure_text(each, count_runs(text))[0].num_sub_tokens for each in (old, grown))
    assert before - after == 6 + 5
    made = compose(old, grown, start="mean")
    assert made.counts["num_copied"] == len(OLD) - 5
    assert made.parts[12] == Part((7, 8, 6), (1 / 3,) * 3)


def test_a_vocabulary_with_added_tokens_grows(make: MakeVocabulary) -> None:
    """Words with an added token in them are cut at it before entries are looked up: "covidship" gains nothing."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False}
    added = [
        {"content": "[DRUG]", "id": 12, "normalized": False, "special": True, **flags},
        {"content": "COVID", "id": 13, "normalized": True, "special": False, **flags},
    ]
    old = with_added_tokens(make(OLD), added, "test")
    text = ["covidship covidship covidship", "Covid ships ships as"]
    assert best_words(old, text, 2, 1) == ["ships", "as"]
    grown = grow(old, ["ships", "as"])
    assert grown.tokens(range(grown.size)) == [*OLD, "[DRUG]", "COVID", "ships", "as"]
    assert grown.special_ids == old.special_ids == (0, 1, 2, 3, 4, 12)
    before, after = (each.encode_batch(text) for each in (old, grown))
    assert before == [[13, 5] * 3, [13, 5, 6, 5, 6, 9, 6]]
    assert after == [[13, 5] * 3, [13, 14, 14, 15]]


@pytest.mark.parametrize(("lower", "strip", "words"), [(True, False, ["f\u00fcr"]), (False, True, ["Fur"])])
def test_words_are_those_that_the_vocabulary_reads(
    lower: bool, strip: bool, words: list[str], make: MakeVocabulary
) -> None:
    """Accents go or stay as its normaliser has it, not as its capitals do."""
    description = make([*OLD[:5], "F", "f", "##\u00fc", "##u", "##r"]).description
    description["normalizer"] |= {"lowercase": lower, "strip_accents": strip}
    old = Vocabulary(Tokenizer.from_str(json.dumps(description)), where="test")
    text = ["F\u00fcr F\u00fcr"]
    assert best_words(old, text, 1, 1) == words
    assert grow(old, words).encode_batch(text) == [[10, 10]]


def test_only_wordpiece_grows(learned: Callable[[str], Vocabulary]) -> None:
    for grows in (lambda old: grow(old, ["harbourmaster"]), lambda old: best_words(old, ["harbourmaster"], 1, 1)):
        with pytest.raises(VocabularyError, match="only a WordPiece"):
            grows(learned("bpe"))

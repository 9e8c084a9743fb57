from __future__ import annotations

import re
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.text.preparation import hashing
from domainlm.text.preparation.hashing import count_runs, hash_sequences, hash_words

_TEXTS = st.lists(
    st.text(st.sampled_from("abAB12_ .,-'\u00e9\u0130\u00df\u4e00\n\u0301\ud800") | st.characters()), max_size=6
)


_IDEOGRAPH = re.compile(
    r"([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f"
    r"\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f])"
)


def _words(text: str) -> list[str]:
    """Runs of letters, digits and underscores, in small letters, one character at a time; ideographs by themselves."""
    apart = _IDEOGRAPH.sub(r" \1 ", text.lower())
    groups = groupby(apart, key=lambda character: character.isalnum() or character == "_")
    return ["".join(group) for is_word, group in groups if is_word]


@given(_TEXTS)
def test_equal_words_have_equal_hashes_and_others_do_not(texts: list[str]) -> None:
    hashes, places = hash_words(texts)
    expected = [_words(text) for text in texts]
    assert np.diff(places).tolist() == [len(words) for words in expected]
    flat = [word for words in expected for word in words]
    assert len({*flat}) == len({*hashes.tolist()})
    assert len({*zip(flat, hashes.tolist(), strict=True)}) == len({*flat})


@given(_TEXTS)
def test_hashes_do_not_depend_on_the_texts_beside(texts: list[str]) -> None:
    hashes, places = hash_words(texts)
    for number, text in enumerate(texts):
        alone, _ = hash_words([text])
        assert alone.tolist() == hashes[places[number] : places[number + 1]].tolist()


def test_hashes_do_not_depend_on_the_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["the mast, the sail and the hull " * 20, "x" * 500, "", "a b", "\u8239a\u5e06\u6f6e\u6c34bc " * 20]
    whole, places = hash_words(texts)
    monkeypatch.setattr(hashing, "_SEGMENT", 7)
    parts, places_of_parts = hash_words(texts)
    assert whole.tolist() == parts.tolist()
    assert places.tolist() == places_of_parts.tolist()


def _hash_by_hand(word: str) -> int:
    """The polynomial and the finaliser, with whole numbers of any size."""
    value = sum(ord(character) * 0x9E3779B97F4A7C15**place for place, character in enumerate(word)) % 2**64
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor % 2**64
    return value ^ value >> 33


def test_hashes_are_the_documented_ones() -> None:
    hashes, _ = hash_words(["The ship's caf\u00e9: 3_5"])
    assert hashes.tolist() == [_hash_by_hand(word) for word in ("the", "ship", "s", "caf\u00e9", "3_5")]


@given(_TEXTS, st.integers(1, 4))
def test_runs_are_those_within_a_text(texts: list[str], length: int) -> None:
    hashes, places = hash_words(texts)
    runs, starts = hash_sequences(hashes, places, length)
    expected = []
    for text in texts:
        words = _words(text)
        expected += [tuple(words[first : first + length]) for first in range(len(words) - length + 1)]
    assert len(runs) == len(starts) == len(expected)
    assert len({*runs.tolist()}) == len({*expected})
    assert len({*zip(expected, runs.tolist(), strict=True)}) == len({*expected})
    counts = [max(len(_words(text)) - length + 1, 0) for text in texts]
    assert count_runs(places, starts).tolist() == counts

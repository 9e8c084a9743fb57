from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domainlm.vocab.substrings import NONE, Words, find_substrings

_COUNTS = st.dictionaries(st.text("ab\u03b2", min_size=1, max_size=6), st.integers(1, 4), min_size=1, max_size=6)


def _by_hand(counts: dict[str, int], max_length: int, min_frequency: int) -> dict[str, int]:
    found: Counter[str] = Counter()
    for word, count in counts.items():
        for start in range(len(word)):
            for end in range(start + 1, min(start + max_length, len(word)) + 1):
                found[word[start:end]] += count
    return {text: count for text, count in found.items() if len(text) == 1 or count >= min_frequency}


@given(_COUNTS, st.integers(1, 7), st.integers(1, 6))
def test_all_frequent_substrings_are_found(counts: dict[str, int], max_length: int, min_frequency: int) -> None:
    words = Words.of(counts)
    found = find_substrings(words, max_length=max_length, min_frequency=min_frequency)
    texts = [
        words.text(place, length) for place, length in zip(found.places.tolist(), found.lengths.tolist(), strict=True)
    ]
    expected = _by_hand(counts, max_length, min_frequency)
    assert dict(zip(texts, found.frequencies.tolist(), strict=True)) == expected
    assert texts == sorted(expected, key=lambda text: (len(text), text))


@given(_COUNTS)
def test_substrings_are_linked_and_placed(counts: dict[str, int]) -> None:
    words = Words.of(counts)
    found = find_substrings(words, max_length=9, min_frequency=2)
    texts = [
        words.text(place, length) for place, length in zip(found.places.tolist(), found.lengths.tolist(), strict=True)
    ]
    for number, text in enumerate(texts):
        if len(text) == 1:
            assert (found.prefixes[number], found.suffixes[number]) == (NONE, NONE)
        else:
            assert texts[found.prefixes[number]] == text[:-1]
            assert texts[found.suffixes[number]] == text[1:]
    ends = np.repeat(words.starts[1:], words.lengths)
    for length, numbers in enumerate(found.at, start=1):
        for place, number in enumerate(numbers.tolist()):
            there = words.text(place, length) if place + length <= ends[place] else None
            assert (texts[number] if number != NONE else None) == (there if there in texts else None)


def test_no_words_give_no_substrings() -> None:
    assert len(find_substrings(Words.of({}), max_length=4, min_frequency=1)) == 0

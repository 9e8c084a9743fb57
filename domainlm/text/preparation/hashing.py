"""Hashes of words and of runs of words, for many texts at once.

A word is a run of letters, digits and underscores, read in small letters, so that spacing, punctuation and capitals do
not count: "(IL-2)" and "il - 2" are the same two words. As for BERT, a CJK ideograph is a word by itself: a text in
Chinese has no blanks, and would else be a few words as long as its sentences.

The hash of a word is a polynomial of its characters modulo 2**64, got for all words at once from one running sum
(Karp and Rabin 1987), and then mixed by the finaliser of MurmurHash3. Nothing depends on the process or the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from domainlm.text.words import IDEOGRAPHS

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

_CHARACTER_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64
_WORD_BASE = 0xC2B2AE3D27D4EB4F
_WORD_MASK = 2**64 - 1
_SEGMENT = 2**16
"""Characters hashed at a time; bounds the memory, not the result."""

_NUM_CODES = 0x110000
_OUTSIDE, _IN_WORD, _WORD = 0, 1, 2
"""What a character is: in no word, in one with those beside it, or a word by itself."""


def hash_words(texts: Sequence[str]) -> tuple[Hashes, Places]:
    """Hash the words of some texts.

    Returns:
        The hashes of all words in order, [num_words], and the place of each text's first word with the number of words
        at the end, [num_texts + 1].
    """
    lowered = [text.lower() for text in texts]
    codes = np.frombuffer("\n".join(lowered).encode("utf-32-le", "surrogatepass"), np.uint32)
    ends_of_texts = np.fromiter(accumulate(len(text) + 1 for text in lowered), np.int64, len(lowered))
    hashes: list[Hashes] = []
    starts: list[Places] = []
    for first, last in _segments(codes):
        segment_hashes, segment_starts = _hash_segment(codes[first:last])
        hashes.append(segment_hashes)
        starts.append(segment_starts + first)
    all_starts = np.concatenate(starts) if starts else np.zeros(0, np.int64)
    places = np.concatenate([[0], np.searchsorted(all_starts, ends_of_texts)])
    return (np.concatenate(hashes) if hashes else np.zeros(0, np.uint64)), places


def hash_sequences(words: Hashes, places: Places, length: int) -> tuple[Hashes, Places]:
    """Hash every run of `length` words that lies within one text.

    Args:
        words: hashes of words, [num_words].
        places: first word of each text, and the number of words, [num_texts + 1].
        length: words of a run.

    Returns:
        The hashes of the runs in order, and the place of each one's first word, both [num_runs].
    """
    num_starts = max(len(words) - length + 1, 0)
    ends = np.repeat(places[1:], np.diff(places))[:num_starts]
    starts = np.flatnonzero(np.arange(length, num_starts + length) <= ends)
    totals = np.zeros(num_starts, np.uint64)
    weight = 1
    for shift in range(length):
        totals += words[shift : shift + num_starts] * np.uint64(weight)
        weight = weight * _WORD_BASE & _WORD_MASK
    return _mixed(totals[starts]), starts


def count_runs(places: Places, starts: Places) -> Places:
    """Runs of each text, [num_texts].

    Args:
        places: first word of each text, and the number of words, [num_texts + 1].
        starts: first word of each run, ascending.
    """
    return np.diff(np.searchsorted(starts, places))


def _segments(codes: NDArray[np.uint32]) -> list[tuple[int, int]]:
    """Parts of about `_SEGMENT` characters that end between words."""
    segments: list[tuple[int, int]] = []
    first = 0
    while first < len(codes):
        last = min(first + _SEGMENT, len(codes))
        while last < len(codes) and _kinds()[codes[last]] == _IN_WORD:
            last += 1
        segments.append((first, last))
        first = last
    return segments


def _hash_segment(codes: NDArray[np.uint32]) -> tuple[Hashes, Places]:
    """Hash of each word and the place of its first character."""
    kinds = np.full(len(codes) + 2, _OUTSIDE, np.int8)
    kinds[1:-1] = _kinds()[codes]
    is_joined = (kinds[:-1] == _IN_WORD) & (kinds[1:] == _IN_WORD)  # each character and the one before it
    starts = np.flatnonzero((kinds[1:] != _OUTSIDE) & ~is_joined)
    ends = np.flatnonzero((kinds[:-1] != _OUTSIDE) & ~is_joined)
    powers, inverses = _powers(1 << max(len(codes).bit_length(), _SEGMENT.bit_length()))
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(codes * powers[: len(codes)], out=sums[1:])
    return _mixed((sums[ends] - sums[starts]) * inverses[starts]), starts


@lru_cache(maxsize=2)
def _powers(size: int) -> tuple[Hashes, Hashes]:
    """The base to the power of 0, 1, 2, ... and the inverses of these, modulo 2**64."""
    inverse = pow(_CHARACTER_BASE, -1, 2**64)
    both = []
    for base in (_CHARACTER_BASE, inverse):
        powers = np.full(size, base, np.uint64)
        powers[0] = 1
        both.append(np.cumprod(powers))
    return both[0], both[1]


@lru_cache(maxsize=1)
def _kinds() -> NDArray[np.int8]:
    """By code point: what a character is."""
    kinds = np.fromiter(((char := chr(code)).isalnum() or char == "_" for code in range(_NUM_CODES)), np.int8)
    for first, last in IDEOGRAPHS:
        kinds[first : last + 1] *= _WORD  # what is not assigned stays outside
    return kinds


def _mixed(values: Hashes) -> Hashes:
    """The finaliser of MurmurHash3 (Appleby): a bijection after which every bit depends on every other."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))

"""All frequent substrings of some words: the pieces that a Unigram vocabulary is chosen from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
NONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Some words, one after the other.

    Attributes:
        codes: the code point of each character, int32 [characters].
        starts: where each word begins in `codes`, and where the last one ends, int64 [words + 1].
        counts: how often each word occurs, float64 [words].
    """

    codes: Ids
    starts: NDArray[np.int64]
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Words:
        """The words with their counts, in this order."""
        codes = np.frombuffer("".join(counts).encode("utf-32-le"), dtype="<i4").astype(np.int32)
        lengths = np.fromiter((len(word) for word in counts), np.int64, len(counts))
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return cls(codes, starts, np.fromiter(counts.values(), np.float64, len(counts)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Characters of each word, [words]."""
        return np.diff(self.starts)

    def text(self, place: int, length: int) -> str:
        """Some characters from a place on."""
        return "".join(map(chr, self.codes[place : place + length].tolist()))


@dataclass(frozen=True, slots=True, eq=False)
class Substrings:
    """The different substrings, numbered by length and then by code points.

    With a substring, all of its own substrings are there, since they are at least as frequent.

    Attributes:
        first_of_length: number of the first substring of each length from 1 on, and the number of all of them.
        frequencies: how often each occurs in the text, float64 [substrings].
        prefixes: the substring without its last character; NONE for single characters, [substrings].
        suffixes: the substring without its first character; NONE for single characters, [substrings].
        places: where each occurs in the words' codes for the first time, int64 [substrings].
        at: for each length from 1 on, the number of the substring of that length at each place of the words' codes;
            NONE where the word ends before, or the substring is not frequent, [characters].
    """

    first_of_length: tuple[int, ...]
    frequencies: NDArray[np.float64]
    prefixes: Ids
    suffixes: Ids
    places: NDArray[np.int64]
    at: tuple[Ids, ...]

    def __len__(self) -> int:
        return len(self.frequencies)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Characters of each substring, [substrings]."""
        return np.repeat(np.arange(1, len(self.first_of_length)), np.diff(self.first_of_length))

    def levels(self) -> Iterator[slice]:
        """The numbers of the substrings of each length, from 1 on."""
        for first, last in zip(self.first_of_length, self.first_of_length[1:], strict=False):
            yield slice(first, last)


def find_substrings(words: Words, *, max_length: int, min_frequency: int) -> Substrings:
    """Find the substrings of words that occur at least so often in the text; single characters all.

    Those of one length follow from those one shorter: each is a shorter one with a character behind it, and numbering
    the different pairs of both numbers the substrings. So nothing is hashed, and no order depends on chance.

    Args:
        words: the words of the text; each substring counts as often as its words.
        max_length: longest substring, in characters.
        min_frequency: least number of occurrences.
    """
    weights = np.repeat(words.counts, words.lengths)
    room = np.repeat(words.starts[1:], words.lengths) - np.arange(len(words.codes))  # characters to the word's end
    level = _number(words.codes.astype(np.int64), np.arange(len(words.codes)), weights, 0)
    found, at, previous, first = [level], [_spread(level, 0, len(words.codes))], level, [0]
    alphabet = len(level.frequencies)
    characters = at[0].astype(np.int64)
    for length in range(2, max_length + 1):
        shorter = at[-1]
        places = previous.all_places[room[previous.all_places] >= length]
        places = places[shorter[places + 1] != NONE]
        first.append(first[-1] + len(previous.frequencies))
        keys = (shorter[places].astype(np.int64) - first[-2]) * alphabet + characters[places + length - 1]
        level = _number(keys, places, weights, min_frequency)
        if not len(level.frequencies):
            break
        level.prefixes = shorter[level.places]
        level.suffixes = shorter[level.places + 1]
        found.append(level)
        at.append(_spread(level, first[-1], len(words.codes)))
        previous = level
    sizes = np.cumsum([0, *(len(level.frequencies) for level in found)])
    return Substrings(
        first_of_length=tuple(sizes.tolist()),
        frequencies=np.concatenate([level.frequencies for level in found]),
        prefixes=np.concatenate([level.prefixes for level in found]),
        suffixes=np.concatenate([level.suffixes for level in found]),
        places=np.concatenate([level.places for level in found]),
        at=tuple(at),
    )


@dataclass(slots=True, eq=False)
class _Level:
    """The substrings of one length: what they are, and where they occur."""

    frequencies: NDArray[np.float64]
    places: NDArray[np.int64]
    prefixes: Ids
    suffixes: Ids
    all_places: NDArray[np.int64]
    all_numbers: Ids


def _number(keys: NDArray[Any], places: NDArray[Any], weights: NDArray[Any], min_frequency: float) -> _Level:
    """Number the different keys by size, leaving out those whose places do not weigh enough."""
    _, firsts, numbers = np.unique(keys, return_index=True, return_inverse=True)
    frequencies = np.bincount(numbers, weights[places], minlength=len(firsts)).astype(np.float64)
    kept = frequencies >= min_frequency
    renumbered = np.where(kept, np.cumsum(kept) - 1, NONE).astype(np.int32)[numbers]
    none = np.full(int(kept.sum()), NONE, dtype=np.int32)
    there = renumbered != NONE
    return _Level(frequencies[kept], places[firsts[kept]], none, none, places[there], renumbered[there])


def _spread(level: _Level, first: int, size: int) -> Ids:
    """The number of the substring at each place."""
    numbers = np.full(size, NONE, dtype=np.int32)
    numbers[level.all_places] = level.all_numbers + first
    return numbers

"""Every way to cut words into pieces, and how likely each is (Kudo 2018, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domainlm.vocab.substrings import NONE, Substrings, Words

Scores = NDArray[np.float64]
_WORDS_AT_ONCE = 2**14


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """What a set of scored pieces expects of a text.

    Attributes:
        counts: how often each piece is used, on average over all ways to cut the words, float64 [substrings].
        log_likelihood: of the whole text, in nats.
    """

    counts: Scores
    log_likelihood: float


class Lattices:
    """The lattices of some words: nodes between characters, edges for the substrings that are pieces.

    Words of one length are computed together, character by character, so nothing depends on how many threads there are.

    Args:
        words: the words with their counts.
        substrings: those of the words.
    """

    def __init__(self, words: Words, substrings: Substrings) -> None:
        self._words = words
        self._substrings = substrings
        order = np.argsort(words.lengths, kind="stable")
        lengths = words.lengths[order]
        changes = np.flatnonzero(np.diff(lengths)) + 1
        self._groups = [
            group[first : first + _WORDS_AT_ONCE]
            for group in np.split(order, changes)
            for first in range(0, len(group), _WORDS_AT_ONCE)
        ]

    def expectation(self, scores: Scores) -> Expectation:
        """Expected counts of the pieces (forward-backward).

        Args:
            scores: log-probability of each piece, -inf for substrings that are none, [substrings].
        """
        counts = np.zeros(len(scores) + 1)
        log_likelihood = 0.0
        for numbers, weights in self._grouped():
            edges = np.append(scores, -np.inf)[numbers]
            ahead, behind = _forward(edges), _backward(edges)
            total = ahead[:, -1]
            used = np.exp(_joined(ahead, edges, behind) - total[:, None, None]) * weights[:, None, None]
            counts += np.bincount(numbers.ravel(), used.ravel(), minlength=len(counts))  # NONE counts as the last one
            log_likelihood += float(total @ weights)
        return Expectation(counts[:-1], log_likelihood)

    def best_counts(self, scores: Scores) -> Scores:
        """How often each piece is used when every word is cut in its most likely way, [substrings]."""
        counts = np.zeros(len(scores) + 1)
        for numbers, weights in self._grouped():
            edges = np.append(scores, -np.inf)[numbers]
            rows = np.arange(len(numbers))
            lasts = _best_lasts(edges)
            ends = np.full(len(numbers), edges.shape[1])
            while len(rows):
                lengths = lasts[rows, ends - 1]
                np.add.at(counts, numbers[rows, ends - 1, lengths], weights[rows])
                ends = ends - lengths - 1
                rows, ends = rows[ends > 0], ends[ends > 0]
        return counts[:-1]

    def _grouped(self) -> Iterator[tuple[NDArray[Any], Scores]]:
        """Words of one length: the substring that ends behind each character with each length, and the words' counts.

        The first has the shape [words, characters, lengths]; its entry [w, e, l] is the number of the substring of
        l + 1 characters whose last character is e, or the one behind all substrings.
        """
        at = self._substrings.at
        for group in self._groups:
            length = int(self._words.lengths[group[0]])
            num_lengths = min(length, len(at))
            numbers = np.full((len(group), length, num_lengths), NONE, dtype=np.int32)
            for size in range(1, num_lengths + 1):
                places = self._words.starts[group][:, None] + np.arange(length - size + 1)
                numbers[:, size - 1 :, size - 1] = at[size - 1][places]
            numbers[numbers == NONE] = len(self._substrings)
            yield numbers, self._words.counts[group]


def _forward(edges: Scores) -> Scores:
    """Log-probability of all ways to cut the first n characters, [words, characters + 1]."""
    num_words, length, num_lengths = edges.shape
    ahead = np.zeros((num_words, length + 1))
    for end in range(1, length + 1):
        size = min(end, num_lengths)
        ahead[:, end] = _log_sum(ahead[:, end - size : end][:, ::-1] + edges[:, end - 1, :size])
    return ahead


def _backward(edges: Scores) -> Scores:
    """Log-probability of all ways to cut what follows the first n characters, [words, characters + 1]."""
    num_words, length, num_lengths = edges.shape
    behind = np.zeros((num_words, length + 1))
    for start in range(length - 1, -1, -1):
        sizes = np.arange(min(length - start, num_lengths))
        behind[:, start] = _log_sum(edges[:, start + sizes, sizes] + behind[:, start + 1 + sizes])
    return behind


def _joined(ahead: Scores, edges: Scores, behind: Scores) -> Scores:
    """Log-probability of all ways through each edge, in the shape of the edges."""
    joined = edges + behind[:, 1:, None]
    for size in range(1, edges.shape[2] + 1):
        joined[:, size - 1 :, size - 1] += ahead[:, : edges.shape[1] - size + 1]
    return joined


def _best_lasts(edges: Scores) -> NDArray[np.int64]:
    """Length, less one, of the last piece of the best way to cut up to each character, [words, characters]."""
    num_words, length, num_lengths = edges.shape
    best = np.zeros((num_words, length + 1))
    lasts = np.zeros((num_words, length), dtype=np.int64)
    for end in range(1, length + 1):
        size = min(end, num_lengths)
        ways = best[:, end - size : end][:, ::-1] + edges[:, end - 1, :size]
        lasts[:, end - 1] = ways.argmax(axis=1)
        best[:, end] = ways.max(axis=1)
    return lasts


def _log_sum(ways: Scores) -> Scores:
    """Logarithm of the sum of exponentials along the last axis; at least one of each row is finite."""
    highest = ways.max(axis=1)
    total: Scores = highest + np.log(np.exp(ways - highest[:, None]).sum(axis=1))
    return total


def best_without_itself(substrings: Substrings, scores: Scores) -> Scores:
    """Score of the best way to cut each substring into two pieces or more; -inf for single characters, [substrings].

    Cutting a substring means cutting some first part of it in the best way and taking the rest as one piece.
    """
    best = scores.copy()
    cut = np.full(len(scores), -np.inf)
    for length, level in enumerate(substrings.levels(), start=1):
        if length == 1:
            continue
        rests = [substrings.suffixes[level]]
        while len(rests) < length - 1:
            rests.append(substrings.suffixes[rests[-1]])
        firsts = substrings.prefixes[level]
        for rest in reversed(rests):  # the last character as one piece, the last two, ...
            cut[level] = np.maximum(cut[level], best[firsts] + scores[rest])
            firsts = substrings.prefixes[firsts]
        best[level] = np.maximum(best[level], cut[level])
    return cut

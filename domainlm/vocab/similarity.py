"""Which entries of a vocabulary occur alike in a text, and mixtures of shared entries after it.

Each entry gets a vector from its neighbours in the text: positive pointwise mutual information with the most frequent
entries, reduced to its main directions (Levy et al. 2015, "Improving Distributional Similarity", section 3.1, symmetric
weighting of singular values). A new entry is then a mixture of the shared entries whose vectors are like its own, with
weights by sparsemax (Martins and Astudillo 2016, algorithm 1), as Dobler and de Melo 2023 do with fastText vectors. All
of it is counting and linear algebra: the same text gives the same mixtures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

import numpy as np
import numpy.typing as npt

from domainlm.cancellation import check_cancelled
from domainlm.vocab.composition import Part
from domainlm.vocab.vocabulary import Vocabulary

_NUM_CONTEXTS = 1_000
_NUM_DIRECTIONS = 300
_WINDOW = 5
_MIN_OCCURRENCES = 5
_SENTENCES_AT_ONCE = 2_000
_ROWS_AT_ONCE = 512

Floats = npt.NDArray[np.float64]


def similarity_mixtures(
    new: Vocabulary, shared: Mapping[int, int], sentences: Iterable[str], max_sub_tokens: int
) -> dict[int, Part]:
    """What the new entries are like, in old entries.

    Args:
        new: the vocabulary that cuts the text.
        shared: old id by new id of the entries that both vocabularies have.
        sentences: the text, in an order of which any beginning is fair.
        max_sub_tokens: read no more of it than this.

    Returns:
        By new id, for entries that are not shared and occur at least 5 times; the others have no vector to compare.
    """
    vectors, occurrences = entry_vectors(new, sentences, max_sub_tokens)
    seen = occurrences >= _MIN_OCCURRENCES
    anchors = np.array([number for number in shared if seen[number]], np.int64)
    left_out = {*shared, *new.special_ids}
    wanted = [number for number in range(new.size) if seen[number] and number not in left_out]
    if not len(anchors) or not wanted:
        return {}
    old_ids = np.array([shared[int(number)] for number in anchors], np.int64)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    mixtures = {}
    for first in range(0, len(wanted), _ROWS_AT_ONCE):
        rows = wanted[first : first + _ROWS_AT_ONCE]
        for number, weights in zip(rows, sparsemax(unit[rows] @ unit[anchors].T), strict=True):
            (kept,) = weights.nonzero()
            mixtures[number] = Part(tuple(old_ids[kept].tolist()), tuple(weights[kept].tolist()))
    return mixtures


def entry_vectors(
    vocabulary: Vocabulary, sentences: Iterable[str], max_sub_tokens: int
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """A vector for each entry from what stands around it, and how often it occurs.

    Returns:
        [size, directions], zero for entries that do not occur; and [size].
    """
    rows = list(_encoded(vocabulary, sentences, max_sub_tokens))
    occurrences = np.bincount(np.concatenate([*rows, np.zeros(0, np.int64)]), minlength=vocabulary.size)
    frequent = np.argsort(-occurrences, kind="stable")[:_NUM_CONTEXTS]
    frequent = frequent[occurrences[frequent] > 0]
    place = np.full(vocabulary.size, -1, np.int64)
    place[frequent] = np.arange(len(frequent))
    counts = np.zeros((vocabulary.size, len(frequent)))
    for row in rows:
        for distance in range(1, min(_WINDOW, len(row) - 1) + 1):
            _count(counts, row[:-distance], place[row[distance:]])
            _count(counts, row[distance:], place[row[:-distance]])
    return _main_directions(_information(counts)), occurrences


def sparsemax(scores: Floats) -> Floats:
    """The nearest point of the probability simplex to each row of `scores` [rows, choices]; most weights are zero."""
    ordered = -np.sort(-scores, axis=1)
    sums = ordered.cumsum(axis=1) - 1.0
    ranks = np.arange(1, scores.shape[1] + 1)
    size = (ordered * ranks > sums).sum(axis=1)
    threshold = sums[np.arange(len(scores)), size - 1] / size
    weights: Floats = np.maximum(scores - threshold[:, None], 0.0)
    return weights


def _encoded(vocabulary: Vocabulary, sentences: Iterable[str], max_sub_tokens: int) -> Iterable[npt.NDArray[np.int64]]:
    stream = iter(sentences)
    left = max_sub_tokens
    while left > 0 and (some := list(islice(stream, _SENTENCES_AT_ONCE))):
        check_cancelled()
        for ids in vocabulary.encode_batch(some):
            if ids and left > 0:
                yield np.array(ids[:left], np.int64)
                left -= len(ids)


def _count(counts: Floats, centres: npt.NDArray[np.int64], contexts: npt.NDArray[np.int64]) -> None:
    known = contexts >= 0
    np.add.at(counts, (centres[known], contexts[known]), 1.0)


def _information(counts: Floats) -> Floats:
    """Positive pointwise mutual information, in place."""
    total, of_rows, of_columns = counts.sum(), counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    expected = of_rows * of_columns / max(total, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(counts / expected)
    positive: Floats = np.maximum(np.nan_to_num(information, nan=0.0, posinf=0.0, neginf=0.0), 0.0)
    return positive


def _main_directions(matrix: Floats) -> Floats:
    """U sqrt(S) of the matrix's singular value decomposition, cut to the largest values."""
    squares, directions = np.linalg.eigh(matrix.T @ matrix)
    kept = [place for place in range(len(squares) - 1, -1, -1) if squares[place] > 1e-9][:_NUM_DIRECTIONS]
    values = np.sqrt(squares[kept])
    reduced: Floats = matrix @ directions[:, kept] / np.sqrt(values)
    return reduced

"""Runs of words in place of single words to predict (SpanBERT, Joshi et al. 2020, section 3.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_SPAN_WORDS = 10
_STOP = 0.2
"""Lengths are geometric: after each word the span ends with this probability. Their mean is 3.8 words."""


def span_lengths(draws: NDArray[np.float64]) -> NDArray[np.int64]:
    """Words of a span: geometric with p = 0.2, given that it is at most 10.

    Args:
        draws: from 0 (inclusive) to 1 (exclusive), of any shape.
    """
    share = 1.0 - (1.0 - _STOP) ** MAX_SPAN_WORDS
    lengths = np.ceil(np.log1p(-draws * share) / np.log1p(-_STOP)).astype(np.int64)
    clipped: NDArray[np.int64] = np.clip(lengths, 1, MAX_SPAN_WORDS)
    return clipped


def cover(
    runs: NDArray[np.int64], keys: NDArray[np.float64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The span that covers each word first, when spans are laid down in the order of their keys.

    At each word a span begins and goes over the next words of the same run.

    Args:
        runs: which words follow one another without anything between, ascending, [num_words].
        keys: of the span that begins at each word, [num_words].
        lengths: its words, [num_words].

    Returns:
        The key of the span, and the word where it begins, [num_words].
    """
    best, owners = keys.copy(), np.arange(len(keys))
    for distance in range(1, min(MAX_SPAN_WORDS, len(keys) - 1) + 1):
        reaches = (lengths[:-distance] > distance) & (runs[:-distance] == runs[distance:])
        is_better = np.flatnonzero(reaches & (keys[:-distance] < best[distance:]))
        best[is_better + distance] = keys[is_better]
        owners[is_better + distance] = is_better
    return best, owners

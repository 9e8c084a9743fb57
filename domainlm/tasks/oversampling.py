"""Rows of rare labels are seen more often (Shin et al. 2020, section 5.5)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def rows_of_epoch(
    labels: npt.NDArray[np.integer], row_of_label: npt.NDArray[np.integer], num_rows: int, num_views: int
) -> npt.NDArray[np.int64]:
    """The rows that an epoch sees, before they are shuffled: each once, and those with a rare label `num_views` times.

    Rare is every label but the most frequent one (of equally frequent ones, but that with the lowest id).

    Args:
        labels: ids of all labels of the training split [num_labels]; one for each row, or several.
        row_of_label: which row each is of [num_labels].
        num_rows: rows of the training split.
        num_views: how often a row with a rare label is seen; 1 sees every row once.

    Returns:
        Rows in ascending order [num_views_of_all_rows].
    """
    most_frequent = np.bincount(labels).argmax() if len(labels) else 0
    views = np.ones(num_rows, dtype=np.int64)
    views[row_of_label[labels != most_frequent]] = num_views
    return np.repeat(np.arange(num_rows, dtype=np.int64), views)


def rows_of_slots(row_starts: Sequence[int] | npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Which row each of several slots is of, from where each row's slots begin and the last one's end."""
    sizes = np.diff(row_starts)
    return np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)

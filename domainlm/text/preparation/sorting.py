"""Finding equal keys among very many, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domainlm.text.preparation.hashing import Hashes, Places

_ROWS_PER_BUCKET = 2**20
"""Keys sorted at a time, about: some 80 bytes of memory for each."""

_ROWS_PER_READ = 2**20


def equal_rows(keys: NDArray[np.uint64], wanted: NDArray[np.bool_]) -> Iterator[tuple[Places, Places]]:
    """Find rows with equal keys.

    The keys are divided by their highest bits into buckets that fit into memory, each of which takes one pass over
    `keys`.

    Args:
        keys: one or several numbers a row, evenly distributed (hashes), [num_rows] or [num_rows, num_numbers]; may be
            memory-mapped.
        wanted: the rows to look at, [num_rows].

    Yields:
        Rows that share their key with others, in groups one after the other, ascending in each, [num_shared]; and
        where each group begins, with the number of rows at the end, [num_groups + 1].
    """
    num_wanted = int(np.count_nonzero(wanted))
    num_bits = max((num_wanted // _ROWS_PER_BUCKET).bit_length(), 0)
    for bucket in range(1 << num_bits):
        rows, bucket_keys = _bucket(keys, wanted, bucket, num_bits)
        order = np.lexsort(bucket_keys.T[::-1])  # stable: equal keys stay in the order of their rows
        rows, bucket_keys = rows[order], bucket_keys[order]
        differs = (bucket_keys[1:] != bucket_keys[:-1]).any(axis=1)
        starts = np.flatnonzero(np.concatenate([[True], differs, [True]])[: len(rows) + 1])
        sizes = np.diff(starts)
        in_groups = np.repeat(sizes > 1, sizes)
        yield rows[in_groups], np.concatenate([[0], np.cumsum(sizes[sizes > 1])])


def _bucket(
    keys: NDArray[np.uint64], wanted: NDArray[np.bool_], bucket: int, num_bits: int
) -> tuple[Places, NDArray[np.uint64]]:
    """The wanted rows of a bucket, ascending, and their keys [num_rows, num_numbers]."""
    all_rows: list[Places] = []
    all_keys: list[NDArray[Any]] = []
    width = 1 if keys.ndim == 1 else keys.shape[1]
    for first in range(0, len(wanted), _ROWS_PER_READ):
        rows = first + np.flatnonzero(wanted[first : first + _ROWS_PER_READ])
        found: Hashes = np.asarray(keys[first : first + _ROWS_PER_READ])[rows - first].reshape(-1, width)
        if num_bits:
            inside = found[:, 0] >> np.uint64(64 - num_bits) == np.uint64(bucket)
            rows, found = rows[inside], found[inside]
        all_rows.append(rows)
        all_keys.append(found)
    if not all_rows:
        return np.zeros(0, np.int64), np.zeros((0, width), np.uint64)
    return np.concatenate(all_rows), np.concatenate(all_keys)

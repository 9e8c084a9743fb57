"""Which documents are duplicates of earlier ones. "Earlier" is the order of the corpus; the earliest one is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domainlm.text.preparation.hashing import Places
from domainlm.text.preparation.near import NearSettings
from domainlm.text.preparation.sorting import equal_rows

_MAX_ROUNDS = 64
_PAIRS_AT_A_TIME = 2**16

NOT_REMOVED = -1


class Table:
    """Columns of all documents of a corpus, on disk.

    Args:
        folder: for its files.
        num_rows: number of documents.
    """

    def __init__(self, folder: Path, num_rows: int) -> None:
        self._folder = folder
        self.num_rows = num_rows
        self._columns: dict[str, NDArray[Any]] = {}

    def fill(self, name: str, first: int, values: NDArray[Any], *, axis: int = 0) -> None:
        """Write a part of a column, from row `first` on; rows run along `axis`."""
        if name not in self._columns:
            shape = list(values.shape)
            shape[axis] = max(self.num_rows, 1)
            self._columns[name] = np.memmap(self._folder / f"{name}.bin", values.dtype, "w+", shape=tuple(shape))
        last = first + values.shape[axis]
        place = (slice(None),) * axis + (slice(first, last),)
        self._columns[name][place] = values

    def column(self, name: str) -> NDArray[Any]:
        """A column, memory-mapped."""
        return self._columns[name]


def find_replaced(table: Table, wanted: NDArray[np.bool_]) -> Places:
    """For each document whose id comes again: the row of the one that stays; else `NOT_REMOVED`.

    Of the documents of one id the highest version stays, the last of them where there are several.
    """
    replaced_by = np.full(table.num_rows, NOT_REMOVED, np.int64)
    versions = table.column("versions")
    for rows, starts in equal_rows(table.column("id_digests"), wanted):
        groups = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        by_version = rows[np.lexsort((rows, versions[rows], groups))]
        winners = np.repeat(by_version[starts[1:] - 1], np.diff(starts))
        replaced_by[rows[rows != winners]] = winners[rows != winners]
    return replaced_by


def find_exact(table: Table, wanted: NDArray[np.bool_]) -> Places:
    """For each document of the same text as an earlier one: the row of the first of them; else `NOT_REMOVED`."""
    first_of = np.full(table.num_rows, NOT_REMOVED, np.int64)
    for rows, starts in equal_rows(table.column("digests"), wanted):
        firsts = np.repeat(rows[starts[:-1]], np.diff(starts))
        first_of[rows[rows != firsts]] = firsts[rows != firsts]
    return first_of


def find_near(table: Table, wanted: NDArray[np.bool_], settings: NearSettings) -> Places:
    """For each document that is like an earlier one: the first document of its cluster; else `NOT_REMOVED`.

    A cluster is all that hangs together by pairs whose signatures say they are similar enough. Of the documents that
    share a band, each is compared with the first, those unlike it with the first among themselves, and so on.
    """
    clusters = _Clusters()
    signatures = table.column("signatures")
    for band in range(settings.num_bands):
        for rows, starts in equal_rows(table.column("bands")[band], wanted):
            for first, other in _similar_pairs(rows, starts, signatures, settings):
                clusters.join(first, other)
    first_of = np.full(table.num_rows, NOT_REMOVED, np.int64)
    for row, first in clusters.firsts():
        first_of[row] = first
    return first_of


def similarity(table: Table, first: int, second: int) -> float:
    """The estimated Jaccard similarity of two documents with signatures."""
    signatures = table.column("signatures")
    return float((signatures[first] == signatures[second]).mean())


def _similar_pairs(
    rows: Places, starts: Places, signatures: NDArray[np.uint32], settings: NearSettings
) -> Iterator[tuple[int, int]]:
    """Pairs of an earlier and a later document of one group that are similar enough."""
    groups = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    for _ in range(_MAX_ROUNDS):
        is_leader = np.concatenate([[True], groups[1:] != groups[:-1]]) if len(groups) else np.zeros(0, np.bool_)
        leaders = rows[is_leader][np.cumsum(is_leader) - 1] if len(groups) else rows
        others, firsts, groups = rows[~is_leader], leaders[~is_leader], groups[~is_leader]
        if not len(others):
            return
        is_similar = _are_similar(signatures, firsts, others, settings.threshold)
        yield from zip(firsts[is_similar].tolist(), others[is_similar].tolist(), strict=True)
        rows, groups = others[~is_similar], groups[~is_similar]


def _are_similar(signatures: NDArray[np.uint32], firsts: Places, others: Places, threshold: float) -> NDArray[np.bool_]:
    is_similar = np.zeros(len(firsts), np.bool_)
    for start in range(0, len(firsts), _PAIRS_AT_A_TIME):
        part = slice(start, start + _PAIRS_AT_A_TIME)
        is_similar[part] = (signatures[firsts[part]] == signatures[others[part]]).mean(axis=1) >= threshold
    return is_similar


class _Clusters:
    """Disjoint sets of rows (Tarjan 1975); only rows that were joined take memory."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def join(self, first: int, second: int) -> None:
        roots = self._root(first), self._root(second)
        self._parents[max(roots)] = min(roots)

    def firsts(self) -> Iterator[tuple[int, int]]:
        """Each row that is not the first of its cluster, with the first."""
        for row in list(self._parents):
            root = self._root(row)
            if root != row:
                yield row, root

    def _root(self, row: int) -> int:
        path = []
        while (parent := self._parents.get(row, row)) != row:
            path.append(row)
            row = parent
        for passed in path:
            self._parents[passed] = row
        return row


def temporary_table(work: Path, num_rows: int) -> tuple[TemporaryDirectory[str], Table]:
    """A table in a folder that goes away with the first of the two."""
    folder = TemporaryDirectory(dir=work, prefix="table-")
    return folder, Table(Path(folder.name), num_rows)

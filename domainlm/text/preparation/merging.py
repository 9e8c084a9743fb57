"""From all parts of a corpus: which of their documents stay, and why the others do not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domainlm.cancellation import check_cancelled
from domainlm.errors import DataError
from domainlm.text.preparation.blocks import BlockName
from domainlm.text.preparation.duplicates import (
    NOT_REMOVED,
    Table,
    find_exact,
    find_near,
    find_replaced,
    similarity,
)
from domainlm.text.preparation.hashing import Places
from domainlm.text.preparation.near import NearSettings
from domainlm.text.preparation.parts import Part, Status, is_finished, part_folder
from domainlm.text.preparation.reading import GroupRecord, read_record, record_path

_OPEN_PARTS = 64


@dataclass(frozen=True, slots=True)
class DuplicateSettings:
    """Which duplicates go.

    Attributes:
        exact: documents of the same normalised text as an earlier one.
        near: documents like an earlier one.
        replaced: documents whose id comes again; the last one of the highest version stays, and where it has no
            paragraphs, none.
    """

    exact: bool = True
    near: NearSettings | None = None
    replaced: bool = False


class Parts:
    """All parts of a corpus, in order, as one list of documents.

    Args:
        folders: of parts; together they hold all, and every group's record.
        num_groups: groups of input files.

    Attributes:
        records: of the groups.
        folders: of the parts, in order.
        starts: number of each part's first document, and the number of documents, [num_parts + 1].

    Raises:
        DataError: a part or a record is missing or damaged.
    """

    def __init__(self, folders: Sequence[Path], num_groups: int) -> None:
        self.records = [_find_record(folders, group) for group in range(num_groups)]
        names = [
            BlockName(group, block) for group, record in enumerate(self.records) for block in range(record.num_blocks)
        ]
        self.folders = [_find_part(folders, name) for name in names]
        sizes = [Part(part).num_documents for part in self.folders]
        self.starts: Places = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
        self._open = lru_cache(maxsize=_OPEN_PARTS)(Part)

    @property
    def num_documents(self) -> int:
        """Documents of all parts."""
        return int(self.starts[-1])

    def __iter__(self) -> Iterator[tuple[int, Part]]:
        """The number of each part's first document, and the part."""
        for first, folder in zip(self.starts.tolist(), self.folders, strict=False):
            check_cancelled()
            yield first, Part(folder)

    def id(self, row: int) -> str:
        """The id of a document."""
        part = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self._open(self.folders[part]).id(row - int(self.starts[part]))


def _find_record(folders: Sequence[Path], group: int) -> GroupRecord:
    for folder in folders:
        if record_path(folder, group).is_file():
            return read_record(folder, group)
    raise _missing(folders, f"the record of group {group} of the input files")


def _find_part(folders: Sequence[Path], name: BlockName) -> Path:
    for folder in folders:
        if is_finished(part_folder(folder, name)):
            return part_folder(folder, name)
    raise _missing(folders, f"part {name}")


def _missing(folders: Sequence[Path], what: str) -> DataError:
    return DataError(
        "not all parts of the corpus are there",
        where=", ".join(map(str, folders)),
        given=f"missing or damaged: {what}",
        remedy="prepare every shard to its end, or build without --shard: that makes what is missing",
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of every document.

    Attributes:
        status: as its part says, uint8 [num_documents]. One of `REMOVAL` is no document, and is not counted as one.
        side: place of its side in `SIDES`, uint8 [num_documents].
        kept: whether it stays, [num_documents].
        replaced_by: the document of its id that stays, where that is another one, [num_documents].
        exact_of: the first document of the same text, where it is another one, [num_documents].
        near_of: the first document of its cluster, where it is another one, [num_documents].
        similarities: of near duplicates to the one that stays, in order.
    """

    status: NDArray[np.uint8]
    side: NDArray[np.uint8]
    kept: NDArray[np.bool_]
    replaced_by: Places
    exact_of: Places
    near_of: Places
    similarities: Sequence[float]

    def counts(self) -> dict[str, int]:
        """Documents, and how many of them are left out for which reason."""
        is_replaced = (self.replaced_by != NOT_REMOVED) & (self.status != Status.REMOVAL)
        is_removed = is_replaced & (self.status[self.replaced_by] == Status.REMOVAL)
        return {
            "num_documents": int(np.count_nonzero(self.status != Status.REMOVAL)),
            "num_kept": int(np.count_nonzero(self.kept)),
            "num_empty": int(np.count_nonzero((self.status == Status.EMPTY) & ~is_replaced)),
            "num_leaked": int(np.count_nonzero((self.status == Status.LEAKED) & ~is_replaced)),
            "num_replaced": int(np.count_nonzero(is_replaced & ~is_removed)),
            "num_removed": int(np.count_nonzero(is_removed)),
            "num_exact_duplicates": int(np.count_nonzero(self.exact_of != NOT_REMOVED)),
            "num_near_duplicates": int(np.count_nonzero(self.near_of != NOT_REMOVED)),
        }


def decide(parts: Parts, table: Table, settings: DuplicateSettings) -> Decision:
    """Decide about every document. A function of the documents and their order.

    Args:
        parts: the documents.
        table: empty, with a row for each of them.
        settings: which duplicates go.
    """
    _fill(table, parts, settings)
    none = np.full(parts.num_documents, NOT_REMOVED, np.int64)
    status, side = np.zeros(parts.num_documents, np.uint8), np.zeros(parts.num_documents, np.uint8)
    for first, part in parts:
        status[first : first + part.num_documents] = part.column("status")
        side[first : first + part.num_documents] = part.column("side")
    if not settings.replaced:
        status[status == Status.REMOVAL] = Status.EMPTY
    everything = np.ones(parts.num_documents, np.bool_)
    replaced_by = find_replaced(table, everything) if settings.replaced else none
    kept = (status == Status.KEPT) & (replaced_by == NOT_REMOVED)
    exact_of = find_exact(table, kept) if settings.exact else none
    kept &= exact_of == NOT_REMOVED
    near_of, similarities = none, list[float]()
    if settings.near is not None:
        has_signature = np.asarray(table.column("has_signature"), np.bool_)[: parts.num_documents]
        near_of = find_near(table, kept & has_signature, settings.near)
        kept &= near_of == NOT_REMOVED
        similarities = [similarity(table, row, int(near_of[row])) for row in np.flatnonzero(near_of >= 0).tolist()]
    return Decision(status, side, kept, replaced_by, exact_of, near_of, similarities)


def _fill(table: Table, parts: Parts, settings: DuplicateSettings) -> None:
    for first, part in parts:
        if settings.replaced:
            table.fill("id_digests", first, part.column("id_digests"))
            table.fill("versions", first, part.column("versions"))
        if settings.exact:
            table.fill("digests", first, part.column("digests"))
        if settings.near is not None:
            table.fill("signatures", first, part.column("signatures"))
            table.fill("has_signature", first, part.column("has_signature"))
            table.fill("bands", first, part.column("bands"), axis=1)


def removal_lines(parts: Parts, decision: Decision) -> Iterator[str]:
    """A line of JSON for each document left out, in order: its id, the reason, and what it leaked or repeated."""
    similarities = iter(decision.similarities)
    for first, part in parts:
        rows = slice(first, first + part.num_documents)
        if decision.kept[rows].all():
            continue
        ids, leaks = part.ids(), part.leaks()
        is_left_out = ~decision.kept[rows] & (decision.status[rows] != Status.REMOVAL)
        for place in np.flatnonzero(is_left_out).tolist():
            row = first + place
            facts: dict[str, Any] = {"id": ids[place]}
            if (winner := int(decision.replaced_by[row])) != NOT_REMOVED:
                facts |= {"reason": "removed" if decision.status[winner] == Status.REMOVAL else "replaced"}
                facts |= {"number": winner}
            elif decision.status[row] == Status.EMPTY:
                facts |= {"reason": "empty"}
            elif decision.status[row] == Status.LEAKED:
                facts |= {"reason": "leak", **leaks[str(place)]}
            elif decision.exact_of[row] != NOT_REMOVED:
                facts |= {"reason": "exact duplicate", "duplicate_of": parts.id(int(decision.exact_of[row]))}
            else:
                facts |= {"reason": "near duplicate", "duplicate_of": parts.id(int(decision.near_of[row]))}
                facts |= {"similarity": round(next(similarities), 4)}
            yield json.dumps(facts, ensure_ascii=False)

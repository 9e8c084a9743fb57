"""What tests of significance swap and draw as one: documents where ids tell them, else what comes closest.

Errors within a document hang together (an abbreviation that is missed once is missed throughout), so a test over its
sentences would take chance for a difference. Ids say which sentences are of one document:

- `DOCUMENT:n`, counted from 0, is the nth sentence of a document;
- `FILE:n`, counted from 1, is the nth one of a file that names no documents, as those in columns mostly do. There ten
  sentences that follow one another are taken as one: about as many as an abstract has.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from domainlm.tasks.significance import Numbers

SENTENCES_PER_BLOCK = 10

UnitKind = Literal["document", "block", "question", "text"]
UNIT_WORDS: Mapping[UnitKind, str] = {
    "document": "documents",
    "block": "blocks of ten sentences",
    "question": "questions",
    "text": "texts",
}
"""How each kind is called in print."""

_NUMBERED = re.compile(r"(.+):([0-9]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CountedRecord:
    """One line of predictions, counted.

    Attributes:
        id: of the record.
        document: the document that the record names; empty where it names none.
        sums: what scores are counted from.
        kind: what a record is by itself, where it is not part of a document: "document" for texts with entities.
        is_sentence: whether records of a file without documents are to be taken in blocks.
    """

    id: str
    document: str
    sums: Numbers
    kind: UnitKind
    is_sentence: bool


def add_up(
    records: Sequence[CountedRecord], files: Collection[str] = ()
) -> tuple[dict[str, Numbers], tuple[UnitKind, ...]]:
    """The sums of each unit, and the kinds of unit there are, most first in the order of `UnitKind`.

    Args:
        records: in the order of the file.
        files: stems of the files that the records were read from, where they are known: what stands before the number
            of an id and is none of them is a document, whatever its sentences are counted from.
    """
    documents = _documents(records, files)
    units = [*_units(records, documents)]
    if documents and len(set(units)) == 1:
        units = [*_units(records, frozenset())]
    sums: dict[str, Numbers] = {}
    for (unit, _), record in zip(units, records, strict=True):
        sums[unit] = sums[unit] + record.sums if unit in sums else record.sums
    there = {kind for _, kind in units}
    return sums, tuple(kind for kind in get_args(UnitKind) if kind in there)


def _documents(records: Sequence[CountedRecord], files: Collection[str]) -> frozenset[str]:
    """What stands before the numbers of sentences and is a document, not a file."""
    found = [match for record in records if (match := _NUMBERED.fullmatch(record.id))]
    from_zero = {match[1] for match in found if not int(match[2])}
    return frozenset(match[1] for match in found if match[1] in from_zero or (files and match[1] not in files))


def _units(records: Sequence[CountedRecord], documents: Collection[str]) -> Iterator[tuple[str, UnitKind]]:
    num_seen: Counter[str] = Counter()
    for record in records:
        match = _NUMBERED.fullmatch(record.id)
        if record.document:
            yield record.document, "document"
        elif match is None:
            yield record.id, record.kind
        elif match[1] in documents:
            yield match[1], "document"
        elif record.is_sentence:
            yield f"{match[1]}, block {num_seen[match[1]] // SENTENCES_PER_BLOCK + 1}", "block"
            num_seen[match[1]] += 1
        else:
            yield record.id, record.kind

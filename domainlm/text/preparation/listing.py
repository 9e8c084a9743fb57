"""Finding documents in a finished corpus by id, by number, or at random."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from domainlm.errors import DataError
from domainlm.text.files import open_text
from domainlm.text.preparation.joining import DOCUMENTS_FILE, DOCUMENTS_HEADER, escaped

_NUM_KEYS = 2**128
"""Keys that the generator takes."""


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """A line of documents.tsv.

    Attributes:
        number: place among the kept documents, from 1.
        id: as documents.tsv writes it.
        side: "train" or "held_out".
        byte: where its text starts in the file of its side.
        num_bytes: of its text there, the blank line behind it included.
        num_sentences: its sentences.
    """

    number: int
    id: str
    side: str
    byte: int
    num_bytes: int
    num_sentences: int


def list_documents(folder: Path) -> Iterator[ListedDocument]:
    """Stream the documents of a finished corpus; raises `DataError` where `folder` holds none."""
    path = folder / DOCUMENTS_FILE
    lines = open_text(path)
    if next(lines) != "\t".join(DOCUMENTS_HEADER):
        raise DataError("not the list of a corpus's documents", where=path)
    for number, line in enumerate(lines, start=1):
        given, side, byte, num_bytes, num_sentences, *_ = line.split("\t")
        yield ListedDocument(number, given, side, int(byte), int(num_bytes), int(num_sentences))


def find_document(folder: Path, wanted: str | int) -> ListedDocument:
    """The document of this id, or of this number; raises `DataError` where there is none."""
    name = escaped(wanted) if isinstance(wanted, str) else None
    num_documents = 0
    for document in list_documents(folder):
        num_documents = document.number
        if wanted == document.number or document.id == name:
            return document
    raise DataError(
        "no such document among those kept",
        where=folder / DOCUMENTS_FILE,
        given=wanted,
        allowed=f"an id from that file, or a number from 1 to {num_documents:,}",
        remedy="for a position in the corpus add --number"
        if isinstance(wanted, str) and wanted.isdecimal()
        else "was it left out? See removed.jsonl",
    )


def sample_documents(folder: Path, count: int, seed: int) -> list[ListedDocument]:
    """Some documents, chosen evenly at random, in the order of the corpus; all of them where there are no more."""
    num_documents = sum(1 for _ in list_documents(folder))
    chosen = np.random.Generator(np.random.Philox(key=seed % _NUM_KEYS)).permutation(num_documents)[:count] + 1
    numbers = frozenset(chosen.tolist())
    return _of_numbers(folder, numbers)


def read_document(folder: Path, document: ListedDocument) -> list[str]:
    """The sentences of a document."""
    path = folder / f"{document.side}.txt"
    with path.open("rb") as stream:
        stream.seek(document.byte)
        content = stream.read(document.num_bytes)
    if len(content) < document.num_bytes or not content.endswith(b"\n\n"):
        raise DataError("does not fit the list of documents beside it", where=path, remedy="prepare the corpus again")
    return content.decode("utf-8").rstrip("\n").split("\n")


def _of_numbers(folder: Path, numbers: Collection[int]) -> list[ListedDocument]:
    return [document for document in list_documents(folder) if document.number in numbers]

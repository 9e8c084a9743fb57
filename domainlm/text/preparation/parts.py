"""A block of documents on disk, ready to be put together with others.

```
PARTS/000003-000012/train.txt       the sentences of its documents, as in the finished corpus
PARTS/000003-000012/held_out.txt
PARTS/000003-000012/train.ids       token ids of these sentences, without any index, where the corpus is encoded
PARTS/000003-000012/held_out.ids
PARTS/000003-000012/documents.safetensors    a row for each document, those left out among them
PARTS/000003-000012/part.json       the sizes of these files
```

A folder of this name is whole: it is written under another name, synced and renamed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from domainlm.errors import DataError
from domainlm.files import sync_file, sync_folder
from domainlm.text.preparation.blocks import BlockName

SIDES = ("train", "held_out")
"""The two files of a corpus; a document's side is a place in this."""

_PART_FILE = "part.json"
_DOCUMENTS_FILE = "documents.safetensors"


class Status(IntEnum):
    """What became of a document in its part."""

    KEPT = 0
    EMPTY = 1
    LEAKED = 2
    REMOVAL = 3
    """No document: its id is to go, where the corpus spec says `replaces`."""


class Part:
    """A finished part, opened for reading; nothing is in memory before it is asked for.

    Attributes:
        folder: its files.
        num_documents: rows of its table.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._table = _open_table(folder)
        self.num_documents = int(self._table.get_slice("status").get_shape()[0])

    def column(self, name: str) -> NDArray[Any]:
        """A column of its table, [num_documents, ...]."""
        column: NDArray[Any] = self._table.get_tensor(name)
        return column

    def id(self, row: int) -> str:
        """The id of one document."""
        ends = self._table.get_slice("id_ends")
        first = int(ends[row - 1 : row][0]) if row else 0
        last = int(ends[row : row + 1][0])
        content: bytes = self._table.get_slice("ids")[first:last].tobytes()
        return content.decode("utf-8", "surrogatepass")

    def ids(self) -> list[str]:
        """The ids of all documents."""
        content: bytes = self._table.get_tensor("ids").tobytes()
        ends = self._table.get_tensor("id_ends").tolist()
        return [
            content[first:last].decode("utf-8", "surrogatepass") for first, last in zip([0, *ends], ends, strict=False)
        ]

    def leaks(self) -> dict[str, Any]:
        """What the leak guard found, by row."""
        found: dict[str, Any] = json.loads(self._table.metadata()["leaks"])
        return found

    def file(self, side: str, kind: str) -> Path:
        """`SIDE.txt` or `SIDE.ids`."""
        return self.folder / f"{side}.{kind}"


def part_folder(parts: Path, name: BlockName) -> Path:
    """Where a part is, or will be."""
    return parts / str(name)


def is_finished(folder: Path) -> bool:
    """Whether a part is there with all its files; one that is damaged is removed, so that it is made again."""
    if not folder.is_dir():
        return False
    try:
        sizes = json.loads((folder / _PART_FILE).read_bytes())
        whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        whole = False
    if not whole:
        shutil.rmtree(folder)
    return whole


@contextmanager
def new_part(parts: Path, name: BlockName) -> Iterator[Path]:
    """Give a folder to write a part's files into; it gets its name when all are on disk."""
    partial = parts / f".{name}.{os.getpid()}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        sizes = {path.name: path.stat().st_size for path in sorted(partial.iterdir())}
        (partial / _PART_FILE).write_text(json.dumps(sizes), encoding="utf-8")
        for path in partial.iterdir():
            sync_file(path)
        sync_folder(partial)
        target = part_folder(parts, name)
        if not target.is_dir():  # else another process was quicker with the same bytes
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_table(
    folder: Path, columns: Mapping[str, NDArray[Any]], ids: Sequence[str], leaks: Mapping[int, Mapping[str, Any]]
) -> None:
    """Write the table of a part."""
    encoded = [given.encode("utf-8", "surrogatepass") for given in ids]
    table = {
        **columns,
        "ids": np.frombuffer(b"".join(encoded), np.uint8),
        "id_ends": np.cumsum([len(given) for given in encoded], dtype=np.int64),
    }
    metadata = {"leaks": json.dumps({str(row): leak for row, leak in leaks.items()}, ensure_ascii=False)}
    contiguous = {name: np.ascontiguousarray(column) for name, column in table.items()}
    save_file(contiguous, folder / _DOCUMENTS_FILE, metadata)


def _open_table(folder: Path) -> Any:  # noqa: ANN401 - the library has no types
    try:
        return safe_open(folder / _DOCUMENTS_FILE, framework="numpy")
    except (OSError, SafetensorError) as error:
        raise DataError(
            "a prepared part is damaged", where=folder, given=str(error), remedy="remove it and run it again"
        ) from error

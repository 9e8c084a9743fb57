"""Token ids on disk in the format of Megatron-LM's indexed dataset, version 1.

`PREFIX.bin` holds the token ids of all sequences, one after the other, nothing else. `PREFIX.idx`, little-endian:

| bytes | type | what |
|---|---|---|
| 9 | | `MMIDIDX` and two zero bytes |
| 8 | uint64 | version: 1 |
| 1 | uint8 | type of the ids: 1 uint8, 2 int8, 3 int16, 4 int32, 5 int64, 8 uint16 |
| 8 | uint64 | S, number of sequences |
| 8 | uint64 | D, number of document indices: documents + 1 |
| 4 S | int32 | length of each sequence, in tokens |
| 8 S | int64 | where each sequence starts in the `.bin`, in bytes |
| 8 D | int64 | index of each document's first sequence; the first is 0 and the last S |

Source: Megatron-LM, megatron/core/datasets/indexed_dataset.py. Its floating-point types (6, 7) hold no token ids and
its multimodal variant (one more int8 a sequence) no text: both are refused. Here a sequence is a sentence.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from domainlm.errors import DataError

_MAGIC = b"MMIDIDX\x00\x00"
_VERSION = 1
_HEADER = struct.Struct("<9sQBQQ")
_DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<u1"),
    2: np.dtype("<i1"),
    3: np.dtype("<i2"),
    4: np.dtype("<i4"),
    5: np.dtype("<i8"),
    8: np.dtype("<u2"),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_UINT16_BELOW = 65_500
"""Megatron-LM's bound: smaller vocabularies are written as uint16."""


def smallest_dtype(vocabulary_size: int) -> np.dtype[Any]:
    """The type Megatron-LM chooses for a vocabulary: uint16 below 65,500 entries, else int32."""
    return np.dtype("<u2") if vocabulary_size < _UINT16_BELOW else np.dtype("<i4")


def bin_path(prefix: Path) -> Path:
    """`PREFIX.bin`."""
    return prefix.with_name(prefix.name + ".bin")


def idx_path(prefix: Path) -> Path:
    """`PREFIX.idx`."""
    return prefix.with_name(prefix.name + ".idx")


Pieces = Callable[[], Iterator[tuple[NDArray[Any], NDArray[Any]]]]


def write_index(stream: BinaryIO, dtype: np.dtype[Any], pieces: Pieces) -> None:
    """Write a `.idx`. Memory is that of one piece, not of the index.

    Args:
        stream: the file.
        dtype: integer type of the ids.
        pieces: gives the dataset in pieces that end between documents, the same ones at each of several calls: the
            tokens of each sequence, [num_sequences], and the sequences of each document, [num_documents].
    """
    counts = [(len(lengths), len(documents)) for lengths, documents in pieces()]
    num_sequences, num_documents = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    code = _CODES[np.dtype(dtype).newbyteorder("<")]
    stream.write(_HEADER.pack(_MAGIC, _VERSION, code, num_sequences, num_documents + 1))
    stream.writelines(lengths.astype("<i4").tobytes() for lengths, _ in pieces())
    start = 0
    for lengths, _ in pieces():
        ends = start + np.cumsum(lengths, dtype=np.int64) * dtype.itemsize
        stream.write((ends - lengths.astype(np.int64) * dtype.itemsize).astype("<i8").tobytes())
        start = int(ends[-1]) if len(ends) else start
    stream.write(struct.pack("<q", 0))
    first = 0
    for _, documents in pieces():
        firsts = first + np.cumsum(documents, dtype=np.int64)
        stream.write(firsts.astype("<i8").tobytes())
        first = int(firsts[-1]) if len(firsts) else first


class IndexedDataset:
    """An indexed dataset, memory-mapped: opening it reads the index only.

    Attributes:
        tokens: all token ids, [num_tokens], read-only.
        lengths: tokens of each sequence, int32 [num_sequences].
        starts: where each sequence starts in `tokens`, int64 [num_sequences].
        documents: index of each document's first sequence, and the number of sequences, int64 [num_documents + 1].

    Raises:
        DataError: where a file is missing, is not of this format, or index and ids do not agree.
    """

    tokens: NDArray[Any]
    lengths: NDArray[np.int32]
    starts: NDArray[np.int64]
    documents: NDArray[np.int64]

    def __init__(self, prefix: Path) -> None:
        index, ids = idx_path(prefix), bin_path(prefix)
        for path in (index, ids):
            if not path.is_file():
                raise DataError("no such file", where=path, remedy="an indexed dataset is a .bin and a .idx beside it")
        dtype, num_sequences, num_documents = _read_header(index)
        self.lengths, pointers, self.documents = _read_index(index, num_sequences, num_documents)
        _check_documents(index, self.documents, num_sequences)
        self.starts = _check_pointers(index, self.lengths, pointers, dtype)
        self.tokens = _map_tokens(ids, dtype, int(self.lengths.sum(dtype=np.int64)))

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, sequence: int) -> NDArray[Any]:
        """Token ids of a sequence, [its length]: a read-only view."""
        start = int(self.starts[sequence])
        return self.tokens[start : start + int(self.lengths[sequence])]

    @property
    def num_documents(self) -> int:
        """Number of documents."""
        return len(self.documents) - 1


def _read_header(path: Path) -> tuple[np.dtype[Any], int, int]:
    with path.open("rb") as stream:
        header = stream.read(_HEADER.size)
    if not header.startswith(_MAGIC):
        raise DataError("not an index of Megatron-LM's indexed dataset", where=path, given=repr(header[: len(_MAGIC)]))
    if len(header) < _HEADER.size:
        raise DataError("the index is cut short", where=path, given=f"{len(header)} bytes")
    _, version, code, num_sequences, num_documents = _HEADER.unpack(header)
    if version != _VERSION:
        raise DataError("unknown version of the indexed dataset", where=path, given=version, allowed=str(_VERSION))
    if code not in _DTYPES:
        allowed = [f"{known} ({dtype.name})" for known, dtype in sorted(_DTYPES.items())]
        raise DataError("the indexed dataset holds no token ids", where=path, given=f"type {code}", allowed=allowed)
    expected = _HEADER.size + 12 * num_sequences + 8 * num_documents
    if (size := path.stat().st_size) != expected:
        raise DataError(
            f"the index has {size:,} bytes and says it has {expected:,}",
            where=path,
            remedy="it is cut short, or of a multimodal dataset; write it again",
        )
    return _DTYPES[code], num_sequences, num_documents


def _read_index(
    path: Path, num_sequences: int, num_documents: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    content = np.memmap(path, dtype=np.uint8, mode="r")
    lengths = np.frombuffer(content, "<i4", num_sequences, _HEADER.size)
    pointers = np.frombuffer(content, "<i8", num_sequences, _HEADER.size + 4 * num_sequences)
    documents = np.frombuffer(content, "<i8", num_documents, _HEADER.size + 12 * num_sequences)
    return lengths, pointers, documents


def _check_documents(path: Path, documents: NDArray[np.int64], num_sequences: int) -> None:
    ends_right = len(documents) >= 1 and documents[0] == 0 and documents[-1] == num_sequences
    if not ends_right or (np.diff(documents) < 0).any():
        raise DataError(
            "the document indices are not in order", where=path, allowed=f"ascending, 0 to {num_sequences:,}"
        )


def _check_pointers(
    path: Path, lengths: NDArray[np.int32], pointers: NDArray[np.int64], dtype: np.dtype[Any]
) -> NDArray[np.int64]:
    """Return where each sequence starts, in tokens."""
    starts = np.zeros(len(lengths), dtype=np.int64)
    np.cumsum(lengths[:-1], dtype=np.int64, out=starts[1:])
    if (lengths < 0).any() or not np.array_equal(starts * dtype.itemsize, pointers):
        raise DataError(
            "the sequence pointers do not follow from the lengths",
            where=path,
            remedy="sequences must lie one after the other, as Megatron-LM writes them; write it again",
        )
    return starts


def _map_tokens(path: Path, dtype: np.dtype[Any], num_tokens: int) -> NDArray[Any]:
    expected = num_tokens * dtype.itemsize
    if (size := path.stat().st_size) != expected:
        raise DataError(f"the file has {size:,} bytes, and its index speaks of {expected:,}", where=path)
    if num_tokens == 0:
        raise DataError("the indexed dataset is empty", where=path)
    return np.memmap(path, dtype=dtype, mode="r", shape=(num_tokens,))

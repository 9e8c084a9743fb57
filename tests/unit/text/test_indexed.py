from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.errors import DataError
from domainlm.text.indexed import IndexedDataset, smallest_dtype

if TYPE_CHECKING:
    from conftest import MakeDataset

WriteDataset = Callable[..., None]

# Three sequences in two documents as uint16, written out by hand after Megatron-LM's _IndexWriter.
_BIN = bytes.fromhex("0700 0800 0900 ffff 0100")
_IDX = (
    b"MMIDIDX\x00\x00"
    + bytes.fromhex("01 00 00 00 00 00 00 00")  # version 1
    + bytes.fromhex("08")  # uint16
    + bytes.fromhex("03 00 00 00 00 00 00 00")  # sequences
    + bytes.fromhex("03 00 00 00 00 00 00 00")  # document indices
    + bytes.fromhex("03 00 00 00  01 00 00 00  01 00 00 00")  # lengths
    + bytes.fromhex("00 00 00 00 00 00 00 00  06 00 00 00 00 00 00 00  08 00 00 00 00 00 00 00")  # pointers
    + bytes.fromhex("00 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00")  # documents
)


def _write_by_hand(folder: Path, idx: bytes = _IDX, ids: bytes = _BIN) -> Path:
    (folder / "hand.idx").write_bytes(idx)
    (folder / "hand.bin").write_bytes(ids)
    return folder / "hand"


def test_bytes_are_those_of_the_format(tmp_path: Path, write_dataset: WriteDataset) -> None:
    write_dataset(tmp_path / "tokens.v1", [[[7, 8, 9], [65535]], [[1]]])
    assert (tmp_path / "tokens.v1.bin").read_bytes() == _BIN
    assert (tmp_path / "tokens.v1.idx").read_bytes() == _IDX


def test_bytes_of_the_format_are_read(tmp_path: Path) -> None:
    dataset = IndexedDataset(_write_by_hand(tmp_path))
    assert [dataset[sequence].tolist() for sequence in range(len(dataset))] == [[7, 8, 9], [65535], [1]]
    assert dataset.documents.tolist() == [0, 2, 3]
    assert dataset.num_documents == 2
    assert dataset.starts.tolist() == [0, 3, 4]
    assert not dataset.tokens.flags.writeable


@pytest.mark.parametrize(("code", "dtype"), [(1, "<u1"), (2, "<i1"), (3, "<i2"), (4, "<i4"), (5, "<i8"), (8, "<u2")])
def test_every_integer_type_is_read_and_written(
    tmp_path: Path, write_dataset: WriteDataset, code: int, dtype: str
) -> None:
    write_dataset(tmp_path / "tokens", [[[3, 100]]], dtype)
    assert (tmp_path / "tokens.idx").read_bytes()[17] == code
    assert (tmp_path / "tokens.bin").read_bytes() == np.array([3, 100], dtype=dtype).tobytes()
    assert IndexedDataset(tmp_path / "tokens")[0].tolist() == [3, 100]


@given(st.lists(st.lists(st.lists(st.integers(0, 99), max_size=5), max_size=4), min_size=1, max_size=6))
def test_what_is_written_is_read(make_dataset: MakeDataset, documents: list[list[list[int]]]) -> None:
    documents.append([[1]])  # a dataset without a token is refused
    dataset = make_dataset(documents)
    bounds = dataset.documents.tolist()
    read = [[dataset[sequence].tolist() for sequence in range(first, end)] for first, end in pairwise(bounds)]
    assert read == documents


@pytest.mark.parametrize(("vocabulary_size", "name"), [(65_499, "uint16"), (65_500, "int32")])
def test_the_type_is_chosen_as_megatron_chooses_it(vocabulary_size: int, name: str) -> None:
    assert smallest_dtype(vocabulary_size).name == name


def _changed(at: int, content: bytes) -> bytes:
    return _IDX[:at] + content + _IDX[at + len(content) :]


@pytest.mark.parametrize(
    ("idx", "ids", "problem"),
    [
        (b"TNTIDX\x00\x00" + _IDX, _BIN, "not an index"),
        (_IDX[:20], _BIN, "cut short"),
        (_changed(9, b"\x02"), _BIN, "unknown version"),
        (_changed(17, b"\x07"), _BIN, "holds no token ids"),
        (_IDX[:-1], _BIN, "says it has"),
        (_IDX + b"\x00\x00\x00", _BIN, "says it has"),  # multimodal: one byte a sequence
        (_changed(18, b"\xff" * 8), _BIN, "says it has"),
        (_IDX, _BIN[:-2], "its index speaks of"),
        (_IDX, _BIN + b"\x00", "its index speaks of"),
        (_changed(34 + 12 + 8, b"\x04"), _BIN, "pointers"),
        (_changed(34, struct.pack("<ii", 5, -1)), _BIN, "pointers"),
        (_changed(34 + 36 + 16, b"\x02"), _BIN, "document indices"),
        (_changed(34 + 36 + 8, b"\x04"), _BIN, "document indices"),
        (_changed(34 + 36, b"\x01"), _BIN, "document indices"),
        (_IDX[:18] + struct.pack("<QQq", 0, 1, 0), b"", "is empty"),
        (_IDX[:18] + struct.pack("<QQ", 0, 0), b"", "document indices"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, idx: bytes, ids: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        IndexedDataset(_write_by_hand(tmp_path, idx, ids))


@pytest.mark.parametrize("missing", ["hand.idx", "hand.bin"])
def test_both_files_are_needed(tmp_path: Path, missing: str) -> None:
    prefix = _write_by_hand(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(DataError, match=missing):
        IndexedDataset(prefix)

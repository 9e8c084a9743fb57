from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.errors import DataError
from domainlm.text.indexed import IndexedDataset
from domainlm.text.several import JoinedTokens, numbered_prefix, open_dataset

WriteDataset = Callable[..., None]
_DOCUMENTS = [[[1, 2], [3]], [[4, 5, 6]], [[7], [8, 9], [10]], [[11]]]


def test_several_files_are_read_as_one(tmp_path: Path, write_dataset: WriteDataset) -> None:
    write_dataset(tmp_path / "whole", _DOCUMENTS)
    for number, (first, last) in enumerate([(0, 1), (1, 3), (3, 4)]):
        write_dataset(numbered_prefix(tmp_path / "tokens", number), _DOCUMENTS[first:last])
    whole, joined = open_dataset(tmp_path / "whole"), open_dataset(tmp_path / "tokens")
    assert len(joined) == len(whole) == 7
    assert joined.num_documents == whole.num_documents
    for name in ("lengths", "starts", "documents"):
        assert getattr(joined, name).tolist() == getattr(whole, name).tolist()
    assert [joined[sequence].tolist() for sequence in range(7)] == [whole[sequence].tolist() for sequence in range(7)]


@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=4), min_size=1, max_size=4), st.data())
def test_joined_tokens_are_those_of_one_array(parts: list[list[int]], data: st.DataObject) -> None:
    whole = np.array([token for part in parts for token in part])
    joined = JoinedTokens([np.array(part) for part in parts])
    assert joined.shape == whole.shape
    start, stop = data.draw(st.integers(-9, 20)), data.draw(st.integers(-9, 20))
    assert joined[start:stop].tolist() == whole[start:stop].tolist()
    places = np.array(data.draw(st.lists(st.integers(0, len(whole) - 1))), np.int64)
    assert joined[places].tolist() == whole[places].tolist()
    with pytest.raises(IndexError):
        joined[np.array([0, len(whole)])]


def test_a_missing_file_in_between_is_named(tmp_path: Path, write_dataset: WriteDataset) -> None:
    for number in (0, 2):
        write_dataset(numbered_prefix(tmp_path / "tokens", number), _DOCUMENTS)
    with pytest.raises(DataError, match="missing") as caught:
        open_dataset(tmp_path / "tokens")
    assert str(caught.value.where).endswith("tokens-00001.idx")


def test_files_of_different_types_are_refused(tmp_path: Path, write_dataset: WriteDataset) -> None:
    write_dataset(numbered_prefix(tmp_path / "tokens", 0), _DOCUMENTS)
    write_dataset(numbered_prefix(tmp_path / "tokens", 1), _DOCUMENTS, "int32")
    with pytest.raises(DataError, match="different types"):
        open_dataset(tmp_path / "tokens")


def test_one_file_goes_first_and_none_is_refused(tmp_path: Path, write_dataset: WriteDataset) -> None:
    write_dataset(tmp_path / "tokens", _DOCUMENTS)
    assert type(open_dataset(tmp_path / "tokens")) is IndexedDataset
    with pytest.raises(DataError, match="no such file"):
        open_dataset(tmp_path / "nothing")

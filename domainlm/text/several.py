"""An indexed dataset in several files, read as one: PREFIX-00000.bin, PREFIX-00001.bin, ... with their .idx."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domainlm.errors import DataError
from domainlm.text.indexed import IndexedDataset, idx_path

_DIGITS = 5


def numbered_prefix(prefix: Path, number: int) -> Path:
    """The prefix of one of several files."""
    return prefix.with_name(f"{prefix.name}-{number:0{_DIGITS}d}")


def open_dataset(prefix: Path) -> IndexedDataset:
    """Open the dataset of one file, `PREFIX.bin`, or of several, `PREFIX-00000.bin` and so on.

    Raises:
        DataError: a file is missing or damaged, or the files' types of ids differ.
    """
    if idx_path(prefix).is_file() or not idx_path(numbered_prefix(prefix, 0)).is_file():
        return IndexedDataset(prefix)
    found = sorted(prefix.parent.glob(f"{prefix.name}-{'[0-9]' * _DIGITS}.idx"))
    expected = [idx_path(numbered_prefix(prefix, number)) for number in range(len(found))]
    if found != expected:
        missing = next(path for path in expected if path not in found)
        raise DataError("a file of the dataset is missing", where=missing, remedy="write the dataset again")
    return JoinedDataset([IndexedDataset(path.with_suffix("")) for path in found])


class JoinedDataset(IndexedDataset):
    """Several datasets, one after the other. Their ids stay on disk; their indices are put together in memory.

    Args:
        datasets: with ids of one type, at least one.
    """

    def __init__(self, datasets: Sequence[IndexedDataset]) -> None:
        types = {dataset.tokens.dtype for dataset in datasets}
        if len(types) != 1:
            raise DataError("the files of a dataset have ids of different types", given=", ".join(map(str, types)))
        token_ends = np.cumsum([len(dataset.tokens) for dataset in datasets])
        sequence_ends = np.cumsum([len(dataset) for dataset in datasets])
        shifts = list(zip(datasets, [0, *token_ends.tolist()], [0, *sequence_ends.tolist()], strict=False))
        self.lengths = np.concatenate([dataset.lengths for dataset in datasets])
        self.starts = np.concatenate([dataset.starts + tokens for dataset, tokens, _ in shifts])
        firsts = [dataset.documents[:-1] + sequences for dataset, _, sequences in shifts]
        self.documents = np.concatenate([*firsts, sequence_ends[-1:]])
        tokens: Any = JoinedTokens([dataset.tokens for dataset in datasets])
        self.tokens = tokens


class JoinedTokens:
    """Arrays of ids read as one: whole ranges, or places in any order. What is read is a copy in memory.

    Args:
        arrays: [num_tokens] each, of one type.
    """

    def __init__(self, arrays: Sequence[NDArray[Any]]) -> None:
        self._arrays = arrays
        self._ends = np.cumsum([len(array) for array in arrays])
        self.dtype = arrays[0].dtype

    @property
    def shape(self) -> tuple[int]:
        """As of one array."""
        return (len(self),)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, places: slice | NDArray[np.int64]) -> NDArray[Any]:
        """The ids of a range with step 1, or at the given places (not negative), in their order."""
        if isinstance(places, slice):
            places = np.arange(*places.indices(len(self)))
        if places.size and not 0 <= int(places.min()) <= int(places.max()) < len(self):
            raise IndexError(f"places from 0 to {len(self) - 1}")
        found = np.empty(places.shape, self.dtype)
        files = np.searchsorted(self._ends, places, side="right")
        for file in np.unique(files).tolist():
            of_file = files == file
            first = int(self._ends[file - 1]) if file else 0
            found[of_file] = self._arrays[file][places[of_file] - first]
        return found

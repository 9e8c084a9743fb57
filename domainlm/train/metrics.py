"""metrics.jsonl: a line per step, cut back to where a run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from domainlm.errors import StorageError


class MetricsLog:
    """Appends a line per step; holds no times, so that the bytes are the same however often a run was stopped.

    Args:
        path: the file.
        num_lines: lines that were written before the checkpoint to go on from; later ones are cut off.
        is_writer: whether this rank writes the file, which another one does otherwise.

    Raises:
        StorageError: the file has fewer lines.
    """

    def __init__(self, path: Path, num_lines: int, *, is_writer: bool = True) -> None:
        if is_writer:
            path.parent.mkdir(parents=True, exist_ok=True)
            _cut_back(path, num_lines)
        self._stream = (path if is_writer else Path(os.devnull)).open("a", encoding="utf-8")
        self._is_writer = is_writer

    def write(self, step: int, values: Mapping[str, float | int]) -> None:
        """Append the line of one step."""
        self._stream.write(json.dumps({"step": step, **values}, allow_nan=False) + "\n")
        self._stream.flush()  # for whoever watches

    def sync(self) -> None:
        """Make all lines durable: called before a checkpoint says that their steps are done."""
        if self._is_writer:
            os.fsync(self._stream.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


def _cut_back(path: Path, num_lines: int) -> None:
    """Keep the first lines. All of them are whole, since they were synced before the checkpoint."""
    path.touch()
    with path.open("rb+") as stream:
        for _ in range(num_lines):
            if not stream.readline().endswith(b"\n"):
                raise StorageError(
                    "the metrics are shorter than when the last checkpoint was written",
                    where=path,
                    allowed=f"at least {num_lines:,} lines",
                    remedy="remove the run's folder, and run it again from the start",
                )
        stream.truncate(stream.tell())

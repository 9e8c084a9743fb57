"""metrics.jsonl: a line per step, cut back to where a run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self


class MetricsLog:
    """Appends a line per step; holds no times, so that the bytes are the same however often a run was stopped.

    Args:
        path: the file.
        step: steps that the checkpoint to go on from has done; lines of later steps are cut off.
    """

    def __init__(self, path: Path, step: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_back(path, step)
        self._stream = path.open("a", encoding="utf-8")

    def write(self, step: int, values: Mapping[str, float | int]) -> None:
        """Append the line of one step."""
        self._stream.write(json.dumps({"step": step, **values}, allow_nan=False) + "\n")

    def sync(self) -> None:
        """Make all lines durable: called before a checkpoint says that their steps are done."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()


def _cut_back(path: Path, step: int) -> None:
    """Keep the first `step` lines; all of them are whole, since they were synced before the checkpoint."""
    if not path.exists():
        return
    kept = 0
    with path.open("rb+") as stream:
        for _ in range(step):
            line = stream.readline()
            if not line.endswith(b"\n"):
                break
            kept += len(line)
        stream.truncate(kept)

"""Heartbeats: every rank writes its last step, and where it stands, into a file of its own every half second.

Files, since the ranks share a folder anyway, and since reading them hangs on no other process: no frozen rank keeps
the watchdog (`domainlm.parallel.watchdog`) from acting. A thread writes them, so that they go on while the main thread
waits or hangs.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

_RECORD_BYTES = 512
_SECONDS_BETWEEN_HEARTBEATS = 0.5
_MAX_HEARTBEATS_PER_SECOND = 100
FIRST_STEP_SECONDS = 900.0
"""For the first step, and for work between steps such as scoring or reading a checkpoint."""
_NUM_STEPS_OF_GRACE = 10


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a rank says of itself; the keys of its file.

    Attributes:
        rank: world rank.
        host: its machine.
        process: its number there.
        number: rises with every heartbeat.
        interval_seconds: between two heartbeats.
        step: steps done.
        progress: rises with every part of a step.
        limit_seconds: how long progress may take.
        place: where its main thread stands: "file:line function".
        is_waiting: whether it waits there for other ranks.
    """

    rank: int
    host: str
    process: int
    number: int
    interval_seconds: float
    step: int
    progress: int
    limit_seconds: float
    place: str
    is_waiting: bool


class HeartbeatWriter:
    """This rank's heartbeats, written by a thread while the context of `beating` lasts.

    Args:
        folder: where all ranks write.
        rank: world rank.
        size: number of ranks; each of many ranks writes less often, so that the file system is not kept busy with them.
        hang_seconds: the least time without progress that counts as hanging.
    """

    def __init__(self, folder: Path, rank: int, size: int, hang_seconds: float) -> None:
        self._path, self._rank, self._hang_seconds = heartbeat_path(folder, rank), rank, hang_seconds
        self._interval = max(_SECONDS_BETWEEN_HEARTBEATS, size / _MAX_HEARTBEATS_PER_SECOND)
        self._main = threading.main_thread().ident or 0
        self._host = socket.gethostname()
        self._step = self._progress = self._number = 0
        self._limit = FIRST_STEP_SECONDS
        self._longest = 0.0
        self._is_waiting = False
        self._step_began: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Within the context heartbeats are written, and `note_step` and `note_part` reach this writer."""
        self._write()
        self._thread.start()
        _current.append(self)
        try:
            yield
        finally:
            _current.remove(self)
            self._ended.set()
            self._thread.join()

    def step_done(self, step: int) -> None:
        """A step is done; a hang counts from here as soon as one whole step was seen."""
        now = time.monotonic()
        if self._step_began is not None:
            self._longest = max(self._longest, now - self._step_began)
            self._limit = max(self._hang_seconds, _NUM_STEPS_OF_GRACE * self._longest)
        self._step_began, self._step, self._progress = now, step, self._progress + 1

    def part_done(self) -> None:
        """A part of a step is done."""
        self._progress += 1

    @contextmanager
    def slow_work(self) -> Iterator[None]:
        """Within the context nothing counts as hanging for long."""
        before, self._limit = self._limit, max(self._limit, FIRST_STEP_SECONDS)
        try:
            yield
        finally:
            self._limit, self._step_began = before, None
            self._progress += 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within the context this rank waits for others, wherever its main thread stands."""
        self._is_waiting = True
        try:
            yield
        finally:
            self._is_waiting = False

    def _beat(self) -> None:
        while not self._ended.wait(self._interval):
            self._write()

    def _write(self) -> None:
        """One small write at a fixed place, so that nobody reads half of it for long."""
        self._number += 1
        place, is_waiting = _where_is(sys._current_frames().get(self._main))  # noqa: SLF001 - there is no other way
        heartbeat = Heartbeat(
            rank=self._rank,
            host=self._host,
            process=os.getpid(),
            number=self._number,
            interval_seconds=self._interval,
            step=self._step,
            progress=self._progress,
            limit_seconds=self._limit,
            place=place[-200:],
            is_waiting=is_waiting or self._is_waiting,
        )
        record = json.dumps(asdict(heartbeat)).encode().ljust(_RECORD_BYTES)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("r+b" if self._path.exists() else "wb") as stream:
                stream.write(record)
        except OSError:
            return  # a full disk is the checkpoint's affair; the next heartbeat may do better


_current: list[HeartbeatWriter] = []


def note_step(step: int) -> None:
    """Tell this rank's heartbeat writer, if it has one, that a step is done."""
    if _current:
        _current[-1].step_done(step)


def note_part() -> None:
    """Tell this rank's heartbeat writer, if it has one, that a part of a step is done."""
    if _current:
        _current[-1].part_done()


@contextmanager
def slow_work() -> Iterator[None]:
    """Within the context, of work that may take long, this rank does not count as hanging."""
    if not _current:
        yield
        return
    with _current[-1].slow_work():
        yield


@contextmanager
def waiting() -> Iterator[None]:
    """Within the context this rank waits for others, which does not show from where its main thread stands.

    A GPU sums while its process goes on, and the process waits where it next reads a number from the GPU.
    """
    if not _current:
        yield
        return
    with _current[-1].waiting():
        yield


def heartbeat_path(folder: Path, rank: int) -> Path:
    """The file of a rank's last heartbeat."""
    return folder / f"rank-{rank:05}.json"


def _where_is(frame: FrameType | None) -> tuple[str, bool]:
    """Where a thread stands, and whether it waits for other ranks there."""
    if frame is None:
        return "its end", False
    inner = frame
    place = f"{os.path.basename(inner.f_code.co_filename)}:{inner.f_lineno} {inner.f_code.co_name}"  # noqa: PTH119 - of a frame
    is_waiting = False
    current: FrameType | None = frame
    for _ in range(8):
        if current is None:
            break
        is_waiting = is_waiting or "torch/distributed" in current.f_code.co_filename
        current = current.f_back
    return place, is_waiting

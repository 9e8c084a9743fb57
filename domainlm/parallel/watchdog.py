"""The watchdog: reads the heartbeats of ranks, and says which of them must end the run.

It measures by its own clock how long a heartbeat has not changed; clocks of several machines need not agree. A rank is

- silent, where its file does not change: the process is dead or frozen, or its machine is gone;
- stuck, where no rank has done a step (or a part of one) for long, and this one is not waiting for others: which of the
  two it does is seen from where its main thread stands, or it says so (`domainlm.parallel.heartbeat.waiting`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from domainlm.parallel.heartbeat import FIRST_STEP_SECONDS, Heartbeat, heartbeat_path

SILENT_SECONDS = 20.0
"""Without a new heartbeat for so long a rank counts as dead."""
_NUM_HEARTBEATS_MISSED = 3


@dataclass(frozen=True, slots=True)
class Trouble:
    """A rank that must end the run.

    Attributes:
        rank: world rank.
        host: its machine; "" where it never wrote a heartbeat.
        step: its last step.
        problem: what is wrong, as a clause.
    """

    rank: int
    host: str
    step: int
    problem: str


class Watchdog:
    """Watches some ranks.

    Args:
        folder: where they write their heartbeats.
        ranks: whom to watch.
        silent_seconds: without a new heartbeat for so long a rank counts as dead.
    """

    def __init__(self, folder: Path, ranks: Iterable[int], silent_seconds: float = SILENT_SECONDS) -> None:
        self._folder, self._ranks, self._silent_seconds = folder, tuple(ranks), silent_seconds
        now = time.monotonic()
        self._heartbeats: dict[int, Heartbeat] = {}
        self._changed = dict.fromkeys(self._ranks, now)
        self._progressed = now

    def last(self, rank: int) -> Heartbeat | None:
        """The last heartbeat of a rank; None where there was none."""
        self._read(rank)
        return self._heartbeats.get(rank)

    def trouble(self, rank: int, problem: str) -> Trouble:
        """A rank's trouble, with what its last heartbeat says of its place."""
        heartbeat = self.last(rank)
        return Trouble(rank, heartbeat.host if heartbeat else "", heartbeat.step if heartbeat else 0, problem)

    def look(self) -> Trouble | None:
        """Read all heartbeats; the rank that is in trouble, or None."""
        for rank in self._ranks:
            self._read(rank)
        now = time.monotonic()
        for rank, changed in self._changed.items():
            if now - changed > self._silent_limit(rank):
                return self.trouble(rank, f"gave no sign of life for {now - changed:.0f} s: it is dead or frozen")
        return self._stuck(now - self._progressed)

    def _silent_limit(self, rank: int) -> float:
        heartbeat = self._heartbeats.get(rank)
        if heartbeat is None:  # it imports libraries, which takes long on a busy file system
            return FIRST_STEP_SECONDS
        return max(self._silent_seconds, _NUM_HEARTBEATS_MISSED * heartbeat.interval_seconds)

    def _stuck(self, seconds: float) -> Trouble | None:
        heartbeats = self._heartbeats.values()
        if len(self._heartbeats) < len(self._ranks) or seconds <= max(
            heartbeat.limit_seconds for heartbeat in heartbeats
        ):
            return None
        slowest = min(
            heartbeats, key=lambda heartbeat: (heartbeat.is_waiting, heartbeat.step, heartbeat.progress, heartbeat.rank)
        )
        doing = "waits for the others" if slowest.is_waiting else "hangs"
        return self.trouble(slowest.rank, f"{doing}: no rank got on for {seconds:.0f} s; it is at {slowest.place}")

    def _read(self, rank: int) -> None:
        try:
            heartbeat = Heartbeat(**json.loads(heartbeat_path(self._folder, rank).read_bytes()))
        except (OSError, ValueError, TypeError):
            return  # not there yet, or just being written
        before = self._heartbeats.get(rank)
        now = time.monotonic()
        if before is None or heartbeat.number != before.number:
            self._changed[rank] = now
        if before is None or (heartbeat.step, heartbeat.progress) != (before.step, before.progress):
            self._progressed = now
        self._heartbeats[rank] = heartbeat

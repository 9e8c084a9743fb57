"""What a rank writes of itself, by a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.parallel import heartbeat as heartbeat_module
from domainlm.parallel.heartbeat import FIRST_STEP_SECONDS, HeartbeatWriter, note_part, note_step, slow_work, waiting
from domainlm.parallel.watchdog import Watchdog

Pass = Callable[[float], None]


def test_a_heartbeat_tells_steps_and_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat_module, "_SECONDS_BETWEEN_HEARTBEATS", 0.01)
    watchdog = Watchdog(tmp_path, [0])
    with HeartbeatWriter(tmp_path, 0, 1, hang_seconds=0.5).beating():
        note_part()
        note_step(1)
        time.sleep(0.05)
        note_step(2)
        deadline = time.monotonic() + 30  # a busy machine writes late
        while (
            (heartbeat := watchdog.last(0)) is None
            or heartbeat.step < 2
            or not heartbeat.place.startswith("test_heartbeat.py:")
        ):
            assert time.monotonic() < deadline
            time.sleep(0.05)  # most heartbeats are written while this line waits, not while the last one is read

    assert (heartbeat.step, heartbeat.progress) == (2, 3)
    assert heartbeat.number > 1
    assert heartbeat.place.endswith("test_a_heartbeat_tells_steps_and_place")
    assert not heartbeat.is_waiting
    assert 0.5 <= heartbeat.limit_seconds < 60.0  # ten steps of 50 ms
    assert [thread.name for thread in threading.enumerate()].count("heartbeat") == 0


def test_slow_work_lasts_as_long_as_it_is_asked_for(tmp_path: Path, passes: Pass) -> None:
    writer = HeartbeatWriter(tmp_path, 0, 1, hang_seconds=45.0)
    watchdog = Watchdog(tmp_path, [0])

    def limit() -> float:
        writer._write()
        heartbeat = watchdog.last(0)
        assert heartbeat is not None
        return heartbeat.limit_seconds

    with writer.beating():
        note_step(1)
        passes(2)
        note_step(2)
        assert limit() == 45.0
        passes(10)
        note_step(3)
        assert limit() == 100.0  # ten times the longest step
        with slow_work():
            assert limit() == FIRST_STEP_SECONDS
            passes(500)
        assert limit() == 100.0
        note_step(4)
        assert limit() == 100.0  # what took long was no step


def test_a_rank_that_waits_for_its_gpu_says_so(tmp_path: Path) -> None:
    """NCCL's sums do not hold the process up: it stands where a number is read, which is no place of torch's."""
    writer, watchdog = HeartbeatWriter(tmp_path, 0, 1, hang_seconds=45.0), Watchdog(tmp_path, [0])

    def waits() -> bool:
        writer._write()
        heartbeat = watchdog.last(0)
        assert heartbeat is not None
        return heartbeat.is_waiting

    with writer.beating():
        assert not waits()
        with waiting():
            assert waits()
        assert not waits()


def test_without_a_writer_nothing_is_told() -> None:
    note_part()
    note_step(1)
    with slow_work(), waiting():
        pass

"""What the watchdog makes of heartbeats; its clock is moved by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.parallel.heartbeat import heartbeat_path
from domainlm.parallel.watchdog import Watchdog

Say = Callable[..., None]
Pass = Callable[[float], None]
Pass = Callable[[float], None]


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """Writes a rank's next heartbeat."""
    numbers: dict[int, int] = {}

    def write(
        rank: int, step: int, *, progress: int = 0, limit: float = 45.0, waits: bool = False, interval: float = 0.5
    ) -> None:
        numbers[rank] = numbers.get(rank, 0) + 1
        heartbeat = {
            "rank": rank,
            "host": f"node{rank}",
            "process": 1,
            "number": numbers[rank],
            "step": step,
            "progress": progress,
        }
        heartbeat |= {
            "interval_seconds": interval,
            "limit_seconds": limit,
            "place": "loader.py:55 read",
            "is_waiting": waits,
        }
        heartbeat_path(tmp_path, rank).write_text(json.dumps(heartbeat))

    return write


def test_ranks_that_get_on_are_fine(tmp_path: Path, say: Say, passes: Pass) -> None:
    watchdog = Watchdog(tmp_path, range(2))
    for step in range(20):
        say(0, step)
        say(1, step)
        assert watchdog.look() is None
        passes(15)


def test_a_silent_rank_is_named(tmp_path: Path, say: Say, passes: Pass) -> None:
    watchdog = Watchdog(tmp_path, range(2))
    for step in range(4):
        say(0, step)
        if step < 2:
            say(1, step)
        trouble = watchdog.look()
        passes(11)

    assert trouble is not None
    assert (trouble.rank, trouble.host, trouble.step) == (1, "node1", 1)
    assert "no sign of life for 22 s" in trouble.problem


def test_of_many_ranks_each_writes_less_often(tmp_path: Path, say: Say, passes: Pass) -> None:
    watchdog = Watchdog(tmp_path, [0])
    for step in range(5):
        say(0, step, interval=10.0, limit=900.0)
        assert watchdog.look() is None
        passes(29)
    assert watchdog.look() is None
    passes(2)
    assert watchdog.look() is not None


@pytest.mark.parametrize("waiting", [0, 1])
def test_of_ranks_that_stand_still_the_one_that_does_not_wait_is_named(
    tmp_path: Path, say: Say, passes: Pass, waiting: int
) -> None:
    watchdog = Watchdog(tmp_path, range(2))
    trouble = None
    for _ in range(6):
        assert trouble is None
        for rank in range(2):
            say(rank, 7, waits=rank == waiting)
        trouble = watchdog.look()
        passes(10)

    assert trouble is not None
    assert (trouble.rank, trouble.step) == (1 - waiting, 7)
    assert trouble.problem == "hangs: no rank got on for 50 s; it is at loader.py:55 read"


def test_parts_of_steps_count(tmp_path: Path, say: Say, passes: Pass) -> None:
    watchdog = Watchdog(tmp_path, [0])
    for part in range(20):
        say(0, 7, progress=part)
        assert watchdog.look() is None
        passes(15)


def test_the_most_patient_rank_decides(tmp_path: Path, say: Say, passes: Pass) -> None:
    watchdog = Watchdog(tmp_path, range(2))
    for _ in range(20):
        say(0, 7, limit=900.0)
        say(1, 7, waits=True)
        assert watchdog.look() is None
        passes(15)


def test_ranks_may_take_long_to_start(tmp_path: Path, say: Say, passes: Pass) -> None:
    watchdog = Watchdog(tmp_path, range(2))
    for _ in range(20):
        say(0, 0, limit=900.0)
        assert watchdog.look() is None
        passes(15)


def test_half_a_record_is_read_again(tmp_path: Path, say: Say, passes: Pass) -> None:
    watchdog = Watchdog(tmp_path, [0])
    say(0, 3)
    assert watchdog.look() is None
    heartbeat_path(tmp_path, 0).write_text('{"rank": 0')
    assert watchdog.look() is None
    assert watchdog.last(0) is not None

"""Signs of life, and what a watcher makes of them; the watcher's clock is moved by hand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.parallel import liveness
from domainlm.parallel.liveness import Pulse, Watch, note_part, note_step, sign_path, slow_work, waiting

Say = Callable[..., None]
Pass = Callable[[float], None]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Lets time pass for watchers."""
    now = [1_000.0]
    monkeypatch.setattr(liveness.time, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """Writes a rank's sign."""
    numbers: dict[int, int] = {}

    def write(
        rank: int, step: int, *, progress: int = 0, limit: float = 45.0, waits: bool = False, interval: float = 0.5
    ) -> None:
        numbers[rank] = numbers.get(rank, 0) + 1
        sign = {
            "rank": rank,
            "host": f"node{rank}",
            "process": 1,
            "number": numbers[rank],
            "step": step,
            "progress": progress,
        }
        sign |= {
            "interval_seconds": interval,
            "limit_seconds": limit,
            "place": "loader.py:55 read",
            "is_waiting": waits,
        }
        sign_path(tmp_path, rank).write_text(json.dumps(sign))

    return write


def test_ranks_that_get_on_are_fine(tmp_path: Path, say: Say, passes: Pass) -> None:
    watch = Watch(tmp_path, range(2))
    for step in range(20):
        say(0, step)
        say(1, step)
        assert watch.look() is None
        passes(15)


def test_a_silent_rank_is_named(tmp_path: Path, say: Say, passes: Pass) -> None:
    watch = Watch(tmp_path, range(2))
    for step in range(4):
        say(0, step)
        if step < 2:
            say(1, step)
        trouble = watch.look()
        passes(11)

    assert trouble is not None
    assert (trouble.rank, trouble.host, trouble.step) == (1, "node1", 1)
    assert "no sign of life for 22 s" in trouble.problem


def test_of_many_ranks_each_gives_signs_less_often(tmp_path: Path, say: Say, passes: Pass) -> None:
    watch = Watch(tmp_path, [0])
    for step in range(5):
        say(0, step, interval=10.0, limit=900.0)
        assert watch.look() is None
        passes(29)
    assert watch.look() is None
    passes(2)
    assert watch.look() is not None


@pytest.mark.parametrize("waiting", [0, 1])
def test_of_ranks_that_stand_still_the_one_that_does_not_wait_is_named(
    tmp_path: Path, say: Say, passes: Pass, waiting: int
) -> None:
    watch = Watch(tmp_path, range(2))
    trouble = None
    for _ in range(6):
        assert trouble is None
        for rank in range(2):
            say(rank, 7, waits=rank == waiting)
        trouble = watch.look()
        passes(10)

    assert trouble is not None
    assert (trouble.rank, trouble.step) == (1 - waiting, 7)
    assert trouble.problem == "hangs: no rank got on for 50 s; it is at loader.py:55 read"


def test_parts_of_steps_count(tmp_path: Path, say: Say, passes: Pass) -> None:
    watch = Watch(tmp_path, [0])
    for part in range(20):
        say(0, 7, progress=part)
        assert watch.look() is None
        passes(15)


def test_the_most_patient_rank_decides(tmp_path: Path, say: Say, passes: Pass) -> None:
    watch = Watch(tmp_path, range(2))
    for _ in range(20):
        say(0, 7, limit=900.0)
        say(1, 7, waits=True)
        assert watch.look() is None
        passes(15)


def test_ranks_may_take_long_to_start(tmp_path: Path, say: Say, passes: Pass) -> None:
    watch = Watch(tmp_path, range(2))
    for _ in range(20):
        say(0, 0, limit=900.0)
        assert watch.look() is None
        passes(15)


def test_half_a_record_is_read_again(tmp_path: Path, say: Say, passes: Pass) -> None:
    watch = Watch(tmp_path, [0])
    say(0, 3)
    assert watch.look() is None
    sign_path(tmp_path, 0).write_text('{"rank": 0')
    assert watch.look() is None
    assert watch.last(0) is not None


def test_a_pulse_tells_steps_and_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "_SECONDS_BETWEEN_SIGNS", 0.01)
    watch = Watch(tmp_path, [0])
    with Pulse(tmp_path, 0, 1, hang_seconds=0.5).beating():
        note_part()
        note_step(1)
        time.sleep(0.05)
        note_step(2)
        deadline = time.monotonic() + 30  # a busy machine writes late
        while (sign := watch.last(0)) is None or sign.step < 2 or not sign.place.startswith("test_liveness.py:"):
            assert time.monotonic() < deadline
            time.sleep(0.05)  # most signs are written while this line waits, not while the last one is read

    assert (sign.step, sign.progress) == (2, 3)
    assert sign.number > 1
    assert sign.place.endswith("test_a_pulse_tells_steps_and_place")
    assert not sign.is_waiting
    assert 0.5 <= sign.limit_seconds < 60.0  # ten steps of 50 ms
    assert [thread.name for thread in threading.enumerate()].count("signs of life") == 0


def test_slow_work_lasts_as_long_as_it_is_asked_for(tmp_path: Path, passes: Pass) -> None:
    pulse = Pulse(tmp_path, 0, 1, hang_seconds=45.0)
    watch = Watch(tmp_path, [0])

    def limit() -> float:
        pulse._write()
        sign = watch.last(0)
        assert sign is not None
        return sign.limit_seconds

    with pulse.beating():
        note_step(1)
        passes(2)
        note_step(2)
        assert limit() == 45.0
        passes(10)
        note_step(3)
        assert limit() == 100.0  # ten times the longest step
        with slow_work():
            assert limit() == liveness.FIRST_STEP_SECONDS
            passes(500)
        assert limit() == 100.0
        note_step(4)
        assert limit() == 100.0  # what took long was no step


def test_a_rank_that_waits_for_its_gpu_says_so(tmp_path: Path) -> None:
    """NCCL's sums do not hold the process up: it stands where a number is read, which is no place of torch's."""
    pulse, watch = Pulse(tmp_path, 0, 1, hang_seconds=45.0), Watch(tmp_path, [0])

    def waits() -> bool:
        pulse._write()
        sign = watch.last(0)
        assert sign is not None
        return sign.is_waiting

    with pulse.beating():
        assert not waits()
        with waiting():
            assert waits()
        assert not waits()


def test_without_a_pulse_nothing_is_told() -> None:
    note_part()
    note_step(1)
    with slow_work(), waiting():
        pass

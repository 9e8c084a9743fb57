"""Ranks that are started on this machine: what comes back from them, and how they end."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import CheckpointInfo, StepInfo
from domainlm.errors import DataError, MachineError, Terminated
from domainlm.plan.work import Degrees
from domainlm.train.ranks import Ranks, on_ranks

_PROGRAM = '''
import logging, os, signal, time
from domainlm.api import CheckpointInfo, StepInfo
from domainlm.errors import DataError
from domainlm.parallel.heartbeat import note_step
from domainlm.parallel.world import current_world
from domainlm.train.signals import deferred_signals


def train(acts, num_steps, folder, observer):
    """Steps that add up ones over all ranks; a rank may act at a step."""
    world = current_world()
    (folder / f"pid-{world.rank}").write_text(str(os.getpid()))
    with deferred_signals(is_alone=False) as signals:
        for step in range(1, num_steps + 1):
            time.sleep(0.01)
            act(acts.get((world.rank, step)), step)
            (total, number) = world.sum([1.0, 0.0])[0], int(world.max([signals.number])[0])
            assert total == world.size
            note_step(step)
            observer.step_ended(StepInfo(
                phase="toy", step=step, num_steps=num_steps, metrics={"total": total}, num_tokens=1, seconds=0.01))
            if number:
                (folder / f"stopped-{world.rank}").write_text(str(step))
                signals.deliver(number)
    observer.checkpoint_saved(CheckpointInfo(folder=folder, step=num_steps))


def act(what, step):
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif what == "exit":
        os._exit(3)
    elif what == "hang":
        while True:
            time.sleep(0.5)
    elif what == "user error":
        raise DataError("no such port", where="chart.txt:3", given="Osol", allowed=["Oslo"])
    elif what == "bug":
        raise ZeroDivisionError("hull breach")
    elif what == "log":
        logging.getLogger("domainlm.toy").info("step %d is fine", step)
        logging.getLogger("domainlm.toy").warning("fog at step %d", step)
'''


class Heard:
    """An observer that keeps what it hears, and may do something then."""

    def __init__(self, at_step: Callable[[int], None] = lambda _: None) -> None:
        self.steps: list[StepInfo] = []
        self.checkpoints: list[CheckpointInfo] = []
        self._at_step = at_step

    def step_ended(self, info: StepInfo) -> None:
        self.steps.append(info)
        self._at_step(info.step)

    def checkpoint_saved(self, info: CheckpointInfo) -> None:
        self.checkpoints.append(info)


Run = Callable[..., Heard]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the program on two ranks."""
    (tmp_path / "toy_ranks.py").write_text(_PROGRAM)
    monkeypatch.syspath_prepend(tmp_path)
    import toy_ranks  # type: ignore[import-not-found] # written above

    def call(
        acts: dict[tuple[int, int], str] | None = None,
        *,
        num_steps: int = 5,
        hang_seconds: float = 45.0,
        at_step: Callable[[int], None] = lambda _: None,
    ) -> Heard:
        heard = Heard(at_step)
        ranks = Ranks(degrees=Degrees(data=2), num_threads=1, hang_seconds=hang_seconds)
        arguments = {"acts": acts or {}, "num_steps": num_steps, "folder": tmp_path}
        on_ranks(toy_ranks.train, arguments, ranks=ranks, work=tmp_path, observer=heard)
        return heard

    yield call
    sys.modules.pop("toy_ranks")


def _are_gone(folder: Path) -> bool:
    """Whether no rank is left."""
    return not any(Path(f"/proc/{path.read_text()}").exists() for path in folder.glob("pid-*"))


def test_rank_0_tells_of_steps_and_checkpoints(run: Run, tmp_path: Path) -> None:
    heard = run()

    assert [info.step for info in heard.steps] == [1, 2, 3, 4, 5]
    assert all(info.metrics == {"total": 2.0} for info in heard.steps)
    assert [(info.step, info.folder) for info in heard.checkpoints] == [(5, tmp_path)]
    assert len(list(tmp_path.glob("pid-*"))) == 2
    assert _are_gone(tmp_path)
    assert not (tmp_path / "ranks").exists()


def test_messages_come_through(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "domainlm"):
        run({(0, 2): "log", (1, 3): "log"})

    assert [record.getMessage() for record in caplog.records if record.name == "domainlm.toy"] == [
        "step 2 is fine",
        "fog at step 2",
        "fog at step 3",
    ]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("act", "says"),
    [("die", "was killed by SIGKILL"), ("exit", "ended with exit code 3")],
)
def test_a_rank_that_dies_is_named_at_once(run: Run, tmp_path: Path, rank: int, act: str, says: str) -> None:
    started = time.monotonic()
    with pytest.raises(MachineError, match=rf"rank {rank} of 2.* {says}") as caught:
        run({(rank, 150): act}, num_steps=1_000)

    assert "last step" in str(caught.value)
    assert "run the same command again" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert time.monotonic() - started < 30
    assert _are_gone(tmp_path)


def test_an_error_of_the_user_comes_back_as_it_was(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        run({(1, 3): "user error"})

    assert str(caught.value).splitlines()[0] == "chart.txt:3: no such port"
    assert (caught.value.given, caught.value.nearest) == ("Osol", "Oslo")
    assert _are_gone(tmp_path)


def test_a_bug_comes_back_with_its_traceback(run: Run) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)rank 1 failed:.*ZeroDivisionError: hull breach"):
        run({(1, 3): "bug"})


def test_a_rank_that_hangs_is_named_with_its_place(run: Run, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"rank 1 of 2 on \S+ hangs.*toy_ranks.py:\d+ act") as caught:
        run({(1, 4): "hang"}, hang_seconds=3.0)

    assert caught.value.given == "last step 3"
    assert _are_gone(tmp_path)


@pytest.mark.slow
def test_a_frozen_rank_is_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"rank 0 of 2 .* gave no sign of life for 2. s: it is dead or frozen"):
        run({(0, 4): "freeze"})
    assert _are_gone(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_ranks_after_the_same_step(run: Run, tmp_path: Path, number: signal.Signals) -> None:
    def terminate(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    kind = KeyboardInterrupt if number == signal.SIGINT else Terminated
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            run(num_steps=3_000, at_step=lambda step: os.kill(os.getpid(), number) if step == 5 else None)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert caught.type is kind
    stopped = {path.read_text() for path in tmp_path.glob("stopped-*")}
    assert len(list(tmp_path.glob("stopped-*"))) == 2
    assert len(stopped) == 1
    assert 5 <= int(stopped.pop()) < 3_000
    assert _are_gone(tmp_path)


def test_sigterm_to_one_rank_alone_stops_all(run: Run, tmp_path: Path) -> None:
    def strike(step: int) -> None:
        if step == 5:
            os.kill(int((tmp_path / "pid-1").read_text()), signal.SIGTERM)

    with pytest.raises(Terminated):
        run(num_steps=3_000, at_step=strike)
    assert len({path.read_text() for path in tmp_path.glob("stopped-*")}) == 1


def test_what_cannot_be_sent_is_said(run: Run) -> None:
    arguments: dict[str, Any] = {"acts": threading.Lock(), "num_steps": 1, "folder": Path()}
    ranks = Ranks(degrees=Degrees(data=2))
    with pytest.raises(TypeError, match="cannot pickle"):
        on_ranks(sys.modules["toy_ranks"].train, arguments, ranks=ranks, work=Path(), observer=Heard())


def test_memory_that_this_process_keeps_of_gpus_is_given_to_its_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr("domainlm.train.ranks.launch_ranks", lambda *_, **__: done.append("ranks"))
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: done.append("given back"))
    on_ranks(print, {}, ranks=Ranks(degrees=Degrees(data=2)), work=tmp_path, observer=Heard())
    assert done == ["given back", "ranks"]

"""Ranks killed by SIGKILL at any moment, each time followed by a restart; benchmarks/kill_ranks.py does so in full.

Run by `tox -e grids`; the default suite kills one process again and again, and a rank once.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domainlm.api import CheckpointInfo, StepInfo
from domainlm.errors import MachineError
from domainlm.plan.work import Degrees
from domainlm.train.ranks import Ranks, on_ranks

_MAX_KILLS = 4
_PATTERNS = ("", ".*.partial", ".*.partial/weights-*", ".*.partial/manifest.json")
"""What is there when a rank is killed: nothing in particular, or a checkpoint in work in some state."""


class Steps:
    """Keeps the first step that it hears of."""

    def __init__(self) -> None:
        self.first = 0

    def step_ended(self, info: StepInfo) -> None:
        self.first = self.first or info.step

    def checkpoint_saved(self, info: CheckpointInfo) -> None:
        pass


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Steps]]:
    """Run or go on with 20 steps on (1, 2, 2)."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import training

    def run(work: Path) -> Steps:
        steps = Steps()
        ranks = Ranks(degrees=Degrees(pipeline=2, tensor=2), num_threads=1)
        on_ranks(training.launched, {"work": work}, ranks=ranks, work=work, observer=steps)
        return steps

    yield run
    sys.modules.pop("training")


def _processes(work: Path) -> dict[int, int]:
    found = {}
    for path in (work / "ranks").glob("rank-*.json"):
        try:
            sign = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        found[sign["rank"]] = sign["process"]
    return found


class Killer(threading.Thread):
    """Kills one rank once all are there, and remembers the newest checkpoint that was complete then."""

    def __init__(self, work: Path, pattern: str, choose: random.Random) -> None:
        super().__init__(daemon=True)
        self._work, self._pattern, self._choose = work, pattern, choose
        self._is_over = threading.Event()
        self.newest = 0
        self.has_killed = False

    def run(self) -> None:
        while len(_processes(self._work)) < 4 and not self._is_over.wait(0.01):
            pass
        after = time.monotonic() + self._choose.uniform(0.0, 2.0)
        while not self._is_over.wait(0.0005):
            folder = self._work / "checkpoints"
            if time.monotonic() > after and (not self._pattern or next(folder.glob(self._pattern), None) is not None):
                break
        steps = [int(path.name.split("-")[1]) for path in (self._work / "checkpoints").glob("step-*")]
        processes = _processes(self._work)
        if not self._is_over.is_set() and len(processes) == 4:
            self.newest = max(steps, default=0)
            self.has_killed = True
            os.kill(processes[self._choose.randrange(4)], signal.SIGKILL)

    def stop(self) -> None:
        self._is_over.set()
        self.join()


@pytest.mark.slow
@pytest.mark.grids
@pytest.mark.timeout(900)  # every life starts four processes
def test_killed_again_and_again_it_ends_with_the_same_bytes(train: Callable[[Path], Steps], tmp_path: Path) -> None:
    whole, work = tmp_path / "whole", tmp_path / "work"
    train(whole)
    choose = random.Random(3)  # noqa: S311 - no secrets
    newest, num_kills, messages = 0, 0, list[str]()
    for attempt in range(5 * _MAX_KILLS):
        killer = Killer(work, _PATTERNS[attempt % len(_PATTERNS)], choose)
        if num_kills < _MAX_KILLS:
            killer.start()
        try:
            steps = train(work)
        except MachineError as error:
            messages.append(str(error))
        else:
            if steps.first:
                assert steps.first > newest
            break
        finally:
            if killer.ident is not None:
                killer.stop()
        newest, num_kills = max(newest, killer.newest), num_kills + killer.has_killed

    assert num_kills >= _MAX_KILLS // 2
    assert all("was killed by SIGKILL" in message for message in messages), messages
    names = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(work) for path in work.rglob("*") if path.is_file())
    for name in names:
        assert (whole / name).read_bytes() == (work / name).read_bytes(), name

"""A budget in minutes, turned into a number of steps once, before the first one: the schedule needs to know it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from torch import nn

from domainlm.files import whole_file
from domainlm.parallel.device import Device, own_random_state
from domainlm.parallel.heartbeat import slow_work
from domainlm.train.milestones import Milestone
from domainlm.train.objective import Batch, BatchSource
from domainlm.train.worker import Worker

BatchT = TypeVar("BatchT", bound=Batch)

BUDGET_FILE = "budget.json"
_MEASURED_SHARE = 0.02
"""Of the budget, as much is spent on timing steps."""
_MIN_TIMED_STEPS = 2
_TINY_RATE = 1e-12
"""Learning rate of steps that are only timed: an update costs as much, and changes next to nothing."""


@dataclass(frozen=True, slots=True)
class FittedSteps:
    """Steps that fit into a budget.

    Attributes:
        num_steps: how many.
        seconds_per_step: as measured, milestones included.
        num_timed_steps: steps that were timed, of a model that is thrown away.
    """

    num_steps: int
    seconds_per_step: float
    num_timed_steps: int


def fitted_steps(
    work: Path,
    max_minutes: float,
    max_steps: int,
    prepare: Callable[[], tuple[Worker[BatchT], BatchSource[BatchT]]],
    device: Device,
    first_step: int = 0,
    milestones: Callable[[nn.Module], Sequence[tuple[Milestone, int]]] = lambda _: (),
) -> FittedSteps:
    """How many steps fit into so many minutes: measured once, and read from `work/budget.json` ever after.

    Args:
        work: folder of the run.
        max_minutes: the time, that of measuring included.
        max_steps: the most there may be.
        prepare: gives a model to be thrown away, as its worker, and the batches.
        device: where that worker computes.
        first_step: measure from this step on, where those before it are cheaper than the rest.
        milestones: of that model, each with the number of steps from one time to the next.
    """
    file = work / BUDGET_FILE
    if file.is_file():
        return FittedSteps(**json.loads(file.read_bytes()))
    started = time.perf_counter()
    with slow_work(), own_random_state(device):
        worker, source = prepare()
        seconds, num_timed = _measure(worker, source, first_step, 60.0 * max_minutes * _MEASURED_SHARE)
        seconds += sum(_seconds_of(milestone) / every for milestone, every in milestones(worker.module))
    left = 60.0 * max_minutes - (time.perf_counter() - started)
    found = FittedSteps(min(max_steps, max(1, int(left / seconds))), seconds, num_timed)
    work.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as stream:
        stream.write(f"{json.dumps(asdict(found))}\n".encode())
    return found


def _measure(worker: Worker[BatchT], source: BatchSource[BatchT], first_step: int, at_most: float) -> tuple[float, int]:
    """Seconds of a step, and of how many it is the mean; the first one, which warms up, is left out."""
    _do_step(worker, source, first_step)
    started, num_timed = time.perf_counter(), 0
    while num_timed < _MIN_TIMED_STEPS or time.perf_counter() - started < at_most:
        num_timed += 1
        _do_step(worker, source, first_step + num_timed)
    return (time.perf_counter() - started) / num_timed, num_timed


def _seconds_of(milestone: Milestone) -> float:
    started = time.perf_counter()
    milestone.run(0)
    return time.perf_counter() - started


def _do_step(worker: Worker[BatchT], source: BatchSource[BatchT], step: int) -> None:
    worker.gradients(step, source.micro_batches(step))
    worker.update(_TINY_RATE)

"""Runs a training function on every rank of a grid, from the one process that runs the study.

That process makes every stage by itself until it comes to one that trains. Then the call, the function with its
arguments, goes to all ranks:

- On one machine, it starts the ranks as processes of their own for this stage, and hears from them of steps,
  checkpoints, messages and errors (`domainlm.parallel.launch`).
- Under torchrun or srun (`domainlm.process`) all ranks run already. World rank 0 runs the study; the
  others serve: they wait for calls, however long rank 0 prepares text, and compute nothing else (`launched_ranks`).

So no stage but training knows of ranks, nothing is done twice, and nothing has to be decided by all ranks but what the
training loop decides. In every rank the function finds its place in `domainlm.parallel.world.current_world()`.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from domainlm.api import CheckpointInfo, StepInfo
from domainlm.cancellation import uncancellable
from domainlm.errors import RecipeError
from domainlm.parallel.device_errors import device_error
from domainlm.parallel.exchange import broadcast_object
from domainlm.parallel.grid import Grid
from domainlm.parallel.guard import Guard
from domainlm.parallel.heartbeat import HeartbeatWriter
from domainlm.parallel.launch import Tell, launch_ranks
from domainlm.parallel.world import World, join_world, joined_world, leave_world
from domainlm.plan.work import Degrees
from domainlm.process import Launched, usable_cores
from domainlm.train.observer import NullObserver, Observer

_EXCHANGE_SECONDS = 30 * 86_400.0
"""Exchanges may wait for long: whoever hangs is found by its heartbeat, not by an exchange that fails."""
_HEARTBEATS = "ranks"
_PRELOAD = ("domainlm.parallel.preload", "domainlm.train.ranks", "domainlm.train.assemble", "domainlm.tasks.finetune")
_ROOT_LOGGER = "domainlm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """The ranks that train a stage.

    Attributes:
        degrees: of the grid.
        device: what they compute on.
        num_threads: CPU threads of each; the cores divided by the ranks of a machine where None.
        hang_seconds: see `parallel.hang_seconds` of recipes.
    """

    degrees: Degrees = field(default_factory=Degrees)
    device: Literal["cpu", "cuda"] = "cpu"
    num_threads: int | None = None
    hang_seconds: float = 45.0


@dataclass(frozen=True, slots=True)
class _Call:
    """A function with its arguments; `observer` is added to them, and on other ranks than 0 it does nothing."""

    function: Callable[..., Any]
    arguments: Mapping[str, Any]

    def run(self, observer: Observer) -> None:
        try:
            self.function(**self.arguments, observer=observer)
        except RuntimeError as error:
            lacking = device_error(error)
            if lacking is None:
                raise
            raise lacking from error


def on_ranks(
    function: Callable[..., Any], arguments: Mapping[str, Any], *, ranks: Ranks, work: Path, observer: Observer
) -> None:
    """Call `function(**arguments, observer=...)` on every rank; one rank is this process itself.

    Args:
        function: at the top of a module. Every rank calls it at the same time, in a world that it has joined.
        arguments: they are pickled where there are several ranks.
        ranks: who trains.
        work: a folder that all ranks can write to.
        observer: told by rank 0.

    Raises:
        UserError: of any rank; `MachineError` where one died or hangs, or a device has too little memory.
        KeyboardInterrupt: all ranks have stopped after the same step.
    """
    call = _Call(function, arguments)
    if _served:
        _served[-1].call(call, ranks, work, observer)
    elif ranks.degrees.world_size == 1:
        shutil.rmtree(work / _HEARTBEATS, ignore_errors=True)  # of launched ranks that were stopped
        call.run(observer)
    else:
        _on_this_machine(call, ranks, work, observer)


# --- the ranks of one machine ---


def _on_this_machine(call: _Call, ranks: Ranks, work: Path, observer: Observer) -> None:
    heartbeats = work / _HEARTBEATS
    shutil.rmtree(heartbeats, ignore_errors=True)
    level = logging.getLogger(_ROOT_LOGGER).getEffectiveLevel()

    def hear(record: Any) -> None:  # noqa: ANN401 - of several types
        if isinstance(record, StepInfo):
            observer.step_ended(record)
        elif isinstance(record, CheckpointInfo):
            observer.checkpoint_saved(record)
        else:
            logging.getLogger(record.name).handle(record)

    torch.cuda.empty_cache()  # this process keeps what it has used of a GPU, for scores say, and its ranks need it
    with tempfile.TemporaryDirectory(prefix="domainlm-ranks-") as folder:
        rank = _Rank(call, ranks, heartbeats, Path(folder) / "store", level)
        try:
            launch_ranks(rank, ranks.degrees.world_size, heartbeats=heartbeats, hear=hear, preload=_PRELOAD)
        finally:
            shutil.rmtree(heartbeats, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Rank:
    """What a rank of this machine does, as its process is given it.

    Attributes:
        heartbeats: folder that all ranks write them into.
        store: file through which the ranks find one another.
        level: of the messages that rank 0 passes on; others pass on warnings at least.
    """

    call: _Call
    ranks: Ranks
    heartbeats: Path
    store: Path
    level: int

    def __call__(self, number: int, tell: Tell) -> None:
        size = self.ranks.degrees.world_size
        logger = logging.getLogger(_ROOT_LOGGER)
        logger.setLevel(self.level if number == 0 else max(self.level, logging.WARNING))
        logger.addHandler(_Relay(tell))
        torch.set_num_threads(self.ranks.num_threads or max(1, usable_cores() // size))
        with HeartbeatWriter(self.heartbeats, number, size, self.ranks.hang_seconds).beating():
            world = join_world(
                Grid.of(self.ranks.degrees),
                rank=number,
                store=self.store,
                device=self.ranks.device,
                timeout_seconds=_EXCHANGE_SECONDS,
            )
            self.call.run(_Told(tell) if world.is_first else NullObserver())
            world.barrier()
            leave_world()  # not after an error, when some may not answer: the process ends anyway


class _Relay(logging.Handler):
    """Hands messages to the starter, which shows them."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args = record.getMessage(), None
        record.exc_info = record.exc_text = record.stack_info = None
        self._tell(record)


@dataclass(frozen=True, slots=True)
class _Told:
    """The observer of rank 0."""

    tell: Tell

    def step_ended(self, info: StepInfo) -> None:
        self.tell(info)

    def checkpoint_saved(self, info: CheckpointInfo) -> None:
        self.tell(info)


# --- ranks that were launched from outside ---


@dataclass(slots=True)
class LaunchedRanks:
    """All ranks of a launched run, as rank 0 and as the others see them."""

    world: World
    ranks: Ranks
    _is_broken: bool = False

    def call(self, call: _Call, ranks: Ranks, work: Path, observer: Observer) -> None:
        """Have every rank do it; for rank 0."""
        if ranks.degrees != self.ranks.degrees:
            raise RecipeError(
                "all cells of a launched run have one grid",
                where="parallel",
                given=str(ranks.degrees),
                remedy="launch a run for each grid",
            )
        heartbeats = work / _HEARTBEATS
        shutil.rmtree(heartbeats, ignore_errors=True)
        broadcast_object(self.world, (call, ranks, heartbeats))
        self._run(call, ranks, heartbeats, observer)
        shutil.rmtree(heartbeats, ignore_errors=True)

    def serve(self) -> str:
        """Do what rank 0 calls for, until it is done; for the others. Returns how the run has ended."""
        while not isinstance(message := broadcast_object(self.world), str):
            call, ranks, heartbeats = message
            self._run(call, ranks, heartbeats, NullObserver())
        return message

    def end(self, status: str) -> None:
        """Let the others go; for rank 0. After a call that failed they have failed too, or will never answer.

        Args:
            status: how the run has ended.
        """
        if not self._is_broken:
            broadcast_object(self.world, status)

    def _run(self, call: _Call, ranks: Ranks, heartbeats: Path, observer: Observer) -> None:
        rank, size = self.world.rank, self.world.size
        self._is_broken = True
        with (
            uncancellable(),  # the ranks stop together, after a step
            HeartbeatWriter(heartbeats, rank, size, ranks.hang_seconds).beating(),
            Guard(heartbeats, rank, size).watching(),
        ):
            call.run(observer)
            self.world.barrier()
        self.world.barrier()  # nobody writes into the folder of heartbeats any longer
        self._is_broken = False


_served: list[LaunchedRanks] = []


@contextmanager
def launched_ranks(ranks: Ranks, here: Launched) -> Iterator[LaunchedRanks]:
    """Join the ranks that were launched with this one; within the context `on_ranks` uses them.

    Args:
        ranks: who trains; the same for all.
        here: this process's place among them.
    """
    if here.rank > 0:
        logging.getLogger(_ROOT_LOGGER).setLevel(logging.WARNING)
    with joined_world(Grid.of(ranks.degrees), device=ranks.device, timeout_seconds=_EXCHANGE_SECONDS) as world:
        joined = LaunchedRanks(world, ranks)
        _served.append(joined)
        try:
            yield joined
        finally:
            _served.remove(joined)

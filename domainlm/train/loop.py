"""The training loop that pretraining and fine-tuning share."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NoReturn, TypeVar

import torch
from torch import nn
from tqdm import tqdm

from domainlm.api import CheckpointInfo, StepInfo
from domainlm.errors import ModelError
from domainlm.parallel.device import Device
from domainlm.recipe.schema import OptimizerSettings, ScheduleSettings
from domainlm.train.checkpoints import Checkpoint, Checkpoints
from domainlm.train.metrics import MetricsLog, NullLog
from domainlm.train.milestones import Milestone
from domainlm.train.objective import Batch, BatchSource, Objective
from domainlm.train.observer import NullObserver, Observer
from domainlm.train.optimizer import optimizer_tensors, restore_optimizer
from domainlm.train.schedule import learning_rate
from domainlm.train.signals import DeferredSignal, deferred_signals
from domainlm.train.worker import OneProcess, Worker, loop_values

BatchT = TypeVar("BatchT", bound=Batch)

_METRICS = "metrics.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How a phase is trained.

    Attributes:
        phase: "pretrain" or "finetune": for progress and `StepInfo`.
        num_steps: optimizer steps of the whole phase.
        optimizer: AdamW's settings.
        schedule: the learning rate over the steps.
        seed: of the dropout. (The order of the data is the source's affair.)
        num_steps_per_checkpoint: a checkpoint every so many steps, and one after the last.
        num_checkpoints_kept: only the last so many are kept.
    """

    phase: str
    num_steps: int
    optimizer: OptimizerSettings
    schedule: ScheduleSettings
    seed: int
    num_steps_per_checkpoint: int
    num_checkpoints_kept: int = 1

    def identity(self) -> str:
        """Says which run a checkpoint belongs to; how often it is saved does not matter."""
        facts = {
            "phase": self.phase,
            "num_steps": self.num_steps,
            "optimizer": self.optimizer.model_dump(),
            "schedule": self.schedule.model_dump(),
            "seed": self.seed,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def train(
    model: nn.Module,
    objective: Objective[BatchT],
    source: BatchSource[BatchT],
    settings: LoopSettings,
    *,
    device: Device,
    work: Path,
    observer: Observer,
    milestones: Sequence[Milestone] = (),
    worker: Worker[BatchT] | None = None,
) -> None:
    """Train `model` in place until `settings.num_steps` steps are done, going on from `work/checkpoints` if there.

    Leaves `work/metrics.jsonl` (a line per step: step, loss, parts of the loss, learning_rate, gradient_norm,
    num_tokens, milestones' numbers; no times) and `work/checkpoints` with a checkpoint of the last step. The caller
    writes what it needs and then calls `remove_checkpoints(work)`. Called again after the last step it only restores.

    A run that was killed anywhere and started again ends with the same bytes as one that was not: the data of a step
    and the seed of its dropout are functions of the step alone, and the rest of the state is in the checkpoint.

    Args:
        model: with its starting weights; moved to `device`, trained in place.
        objective: the loss.
        source: the micro-batches of each step.
        settings: steps, optimizer, schedule, checkpoints.
        device: from `domainlm.train.runtime.open_device(runtime_settings)`.
        work: folder of this run; made where it is not there.
        observer: told after each step and each checkpoint.
        milestones: work after certain steps (`KeepBest`, ...).
        worker: what computes; this process by itself where None. On a grid every rank calls this with a worker of its
            own, and the first one writes.

    Raises:
        ModelError: the loss or the gradient is not finite, or a checkpoint belongs to another run.
        KeyboardInterrupt: after the current step and a checkpoint, when interrupted (a second time: at once).
    """
    worker = worker or OneProcess(model, objective, settings.optimizer, device, settings.seed)
    run = _Run(worker, source, settings, work=work, observer=observer, milestones=milestones)
    found = run.restore()
    first, unsettled = (0, None) if found is None else (found.step, found.unsettled)
    with (
        _metrics(worker, work / _METRICS, first - (unsettled is not None)) as log,
        _progress(settings, first, is_shown=worker.is_first) as bar,
        deferred_signals() as signals,
        _own_random_state(device),
    ):
        if unsettled is not None:
            run.settle(_Advance(first, unsettled, 0.0), log, signals)
        for step in range(first, settings.num_steps):
            advance = run.advance(step)
            run.settle(advance, log, signals)
            _show(bar, advance)
            due = advance.step % settings.num_steps_per_checkpoint == 0 or advance.step == settings.num_steps
            if due or signals.received:
                run.save(advance.step, log)
            signals.deliver()


@dataclass(frozen=True, slots=True)
class _Advance:
    """A step whose weights are updated.

    Attributes:
        step: steps done, this one included.
        values: its line of metrics, so far.
        seconds: its duration.
    """

    step: int
    values: Mapping[str, float]
    seconds: float


class _Run(Generic[BatchT]):
    """The state of one training run."""

    def __init__(
        self,
        worker: Worker[BatchT],
        source: BatchSource[BatchT],
        settings: LoopSettings,
        *,
        work: Path,
        observer: Observer,
        milestones: Sequence[Milestone],
    ) -> None:
        self._worker = worker
        self._source = source
        self._settings = settings
        self._observer = observer if worker.is_first else NullObserver()
        self._milestones = milestones
        run = "/".join([settings.identity(), *(milestone.name for milestone in milestones)])
        self._checkpoints = Checkpoints(work, run, settings.num_checkpoints_kept)

    def restore(self) -> Checkpoint | None:
        """Go back to the last good checkpoint, if there is one."""
        if not isinstance(self._worker, OneProcess):
            return None
        found = self._checkpoints.latest()
        if found is not None:
            self._load_weights(self._worker.model, found)
            restore_optimizer(self._worker.optimizer, self._worker.model, found.optimizer())
            for milestone in self._milestones:
                milestone.restore(found.state[milestone.name], found.files(milestone.name))
        return found

    def _load_weights(self, model: nn.Module, found: Checkpoint) -> None:
        try:
            model.load_state_dict(found.weights())
        except RuntimeError as error:
            raise ModelError(
                "this checkpoint holds the weights of another model",
                where=found.folder,
                given=str(error),
                remedy="remove the folder, or train into another one",
            ) from None

    def save(self, step: int, log: MetricsLog, unsettled: Mapping[str, float] | None = None) -> None:
        """Write a checkpoint after `step` steps; `unsettled` holds the last one's values if it has milestones to do."""
        if not isinstance(self._worker, OneProcess):
            return
        log.sync()
        folder = self._checkpoints.save(
            step,
            weights=self._worker.model.state_dict(),
            optimizer=optimizer_tensors(self._worker.optimizer, self._worker.model),
            state={milestone.name: milestone.state() for milestone in self._milestones},
            files={milestone.name: milestone.files() for milestone in self._milestones},
            unsettled=unsettled,
        )
        self._observer.checkpoint_saved(CheckpointInfo(folder=folder, step=step))

    def advance(self, step: int) -> _Advance:
        """Update the weights by the step that follows `step` done ones."""
        settings = self._settings
        started = time.perf_counter()
        rate = learning_rate(step, settings.num_steps, settings.optimizer.learning_rate, settings.schedule)
        gradients = self._worker.gradients(step, self._source.micro_batches(step))
        values = loop_values(gradients, rate)
        self._check_finite(step + 1, values)
        if gradients.is_usable:
            self._worker.update(rate)
        values["num_tokens"] = gradients.num_tokens
        return _Advance(step + 1, values, time.perf_counter() - started)

    def settle(self, advance: _Advance, log: MetricsLog, signals: DeferredSignal) -> None:
        """Run the milestones of a step, write its metrics and tell of it.

        Milestones may take long: they are interrupted at once, and run again when the run goes on.
        """
        values = dict(advance.values)
        due = [milestone for milestone in self._milestones if milestone.due(advance.step)]
        try:
            with signals.immediate() if due else nullcontext():
                for milestone in due:
                    values |= milestone.run(advance.step)
        except KeyboardInterrupt:
            self.save(advance.step, log, advance.values)
            raise
        log.write(advance.step, values)
        num_tokens = int(values.pop("num_tokens"))
        self._observer.step_ended(
            StepInfo(
                phase=self._settings.phase,
                step=advance.step,
                num_steps=self._settings.num_steps,
                metrics=values,
                num_tokens=num_tokens,
                seconds=advance.seconds,
            )
        )

    def _check_finite(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                raise ModelError(
                    f"training diverged: {name} is {value} at step {step} of {self._settings.num_steps}",
                    where=self._settings.phase,
                    remedy="lower the learning rate, lengthen the warm-up or use precision fp32; "
                    "the last checkpoint is kept",
                )


def _own_random_state(device: Device) -> AbstractContextManager[None]:
    """Gives the caller's random state back at the end."""
    return torch.random.fork_rng([device.torch_device] if device.torch_device.type == "cuda" else [])


def _metrics(worker: Worker[BatchT], path: Path, num_lines: int) -> MetricsLog:
    """The metrics, or nothing where another rank writes them."""
    return MetricsLog(path, num_lines) if worker.is_first else NullLog()


def _progress(settings: LoopSettings, first: int, *, is_shown: bool) -> tqdm[NoReturn]:
    disable = None if is_shown else True  # None: where stderr is no terminal
    return tqdm(total=settings.num_steps, initial=first, desc=settings.phase, unit=" steps", disable=disable)


def _show(bar: tqdm[NoReturn], advance: _Advance) -> None:
    speed = advance.values["num_tokens"] / advance.seconds
    bar.set_postfix_str(f"loss {advance.values['loss']:.3f}, {speed:,.0f} tokens/s", refresh=False)
    bar.update()

"""The training loop that pretraining and fine-tuning share."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
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
from domainlm.train.checkpoints import Checkpoints
from domainlm.train.metrics import MetricsLog
from domainlm.train.milestones import Milestone
from domainlm.train.objective import Batch, BatchSource, Objective
from domainlm.train.observer import Observer
from domainlm.train.optimizer import build_optimizer, optimizer_tensors, restore_optimizer
from domainlm.train.schedule import learning_rate
from domainlm.train.signals import deferred_signals

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

    Raises:
        ModelError: the loss or the gradient is not finite, or a checkpoint belongs to another run.
        KeyboardInterrupt: after the current step and a checkpoint, when interrupted (a second time: at once).
    """
    model.to(device.torch_device)
    run = _Run(model, objective, source, settings, device=device, work=work, observer=observer, milestones=milestones)
    first = run.restore()
    if first >= settings.num_steps:
        return
    with (
        MetricsLog(work / _METRICS, first) as log,
        _progress(settings, first) as bar,
        deferred_signals() as signals,
    ):
        for step in range(first, settings.num_steps):
            info = run.step(step, log)
            _show(bar, info)
            done = step + 1
            due = done % settings.num_steps_per_checkpoint == 0 or done == settings.num_steps
            if due or signals.received:
                log.sync()
                run.save(done)
            signals.deliver()


class _Run(Generic[BatchT]):
    """The state of one training run."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective[BatchT],
        source: BatchSource[BatchT],
        settings: LoopSettings,
        *,
        device: Device,
        work: Path,
        observer: Observer,
        milestones: Sequence[Milestone],
    ) -> None:
        self._model = model
        self._objective = objective
        self._source = source
        self._settings = settings
        self._device = device
        self._observer = observer
        self._milestones = milestones
        self._optimizer = build_optimizer(model, settings.optimizer)
        self._parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        self._checkpoints = Checkpoints(work, settings.identity(), settings.num_checkpoints_kept)

    def restore(self) -> int:
        """Go back to the last good checkpoint; returns the steps that are done."""
        found = self._checkpoints.latest()
        if found is None:
            return 0
        self._model.load_state_dict(found.weights())
        restore_optimizer(self._optimizer, self._model, found.optimizer())
        for milestone in self._milestones:
            milestone.restore(found.state[milestone.name], found.files(milestone.name))
        return found.step

    def save(self, step: int) -> None:
        """Write a checkpoint after `step` steps."""
        folder = self._checkpoints.save(
            step,
            weights=self._model.state_dict(),
            optimizer=optimizer_tensors(self._optimizer, self._model),
            state={milestone.name: milestone.state() for milestone in self._milestones},
            files={milestone.name: milestone.files() for milestone in self._milestones},
        )
        self._observer.checkpoint_saved(CheckpointInfo(folder=folder, step=step))

    def step(self, step: int, log: MetricsLog) -> StepInfo:
        """Do the step that follows `step` done ones, write its metrics and tell of it."""
        settings = self._settings
        started = time.perf_counter()
        rate = learning_rate(step, settings.num_steps, settings.optimizer.learning_rate, settings.schedule)
        micro_batches = self._source.micro_batches(step)
        parts, norm = self._gradients(step, micro_batches)
        metrics = {"loss": math.fsum(parts.values()), **parts, "learning_rate": rate, "gradient_norm": norm}
        self._check_finite(step, metrics)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        num_tokens = sum(batch.num_tokens for batch in micro_batches)
        for milestone in self._milestones:
            if milestone.due(step + 1):
                metrics |= milestone.run(step + 1)
        log.write(step + 1, {**metrics, "num_tokens": num_tokens})
        info = StepInfo(
            phase=settings.phase,
            step=step + 1,
            num_steps=settings.num_steps,
            metrics=metrics,
            num_tokens=num_tokens,
            seconds=time.perf_counter() - started,
        )
        self._observer.step_ended(info)
        return info

    def _gradients(self, step: int, micro_batches: Sequence[BatchT]) -> tuple[dict[str, float], float]:
        """Accumulate the gradients of a step and clip them; returns the parts of the loss and the norm."""
        self._model.train()
        self._optimizer.zero_grad(set_to_none=True)
        torch.manual_seed(_step_seed(self._settings.seed, step))
        totals: Counter[str] = Counter()
        for batch in micro_batches:
            totals.update(self._objective.counts(batch))
        sums: dict[str, torch.Tensor] = {}
        for batch in micro_batches:
            with self._device.autocast():
                losses = self._objective.loss_sums(self._model, batch.to(self._device.torch_device))
            means = {part: loss / max(1, totals[part]) for part, loss in losses.items()}
            torch.autograd.backward(torch.stack(list(means.values())).sum())
            for part, mean in means.items():
                sums[part] = sums[part] + mean.detach() if part in sums else mean.detach()
        limit = self._settings.optimizer.max_gradient_norm or math.inf
        norm = nn.utils.clip_grad_norm_(self._parameters, limit)
        return {part: float(value) for part, value in sums.items()}, float(norm)

    def _check_finite(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise ModelError(
                    f"training diverged: {name} is {value} at step {step + 1} of {self._settings.num_steps}",
                    where=self._settings.phase,
                    remedy="lower the learning rate, lengthen the warm-up or use precision fp32; "
                    "the last checkpoint is kept",
                )


def _step_seed(seed: int, step: int) -> int:
    """A seed for the dropout of one step, unlike those of other steps and seeds."""
    digest = hashlib.sha256(f"{seed}/{step}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def _progress(settings: LoopSettings, first: int) -> "tqdm[NoReturn]":
    return tqdm(total=settings.num_steps, initial=first, desc=settings.phase, unit=" steps", disable=None)


def _show(bar: "tqdm[NoReturn]", info: StepInfo) -> None:
    bar.set_postfix_str(
        f"loss {info.metrics['loss']:.3f}, {info.num_tokens / info.seconds:,.0f} tokens/s", refresh=False
    )
    bar.update()

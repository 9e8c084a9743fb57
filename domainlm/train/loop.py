"""The training loop that pretraining and fine-tuning share."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from torch import nn

from domainlm.api import StepInfo
from domainlm.errors import ModelError
from domainlm.parallel.device import Device, own_random_state
from domainlm.parallel.heartbeat import note_step, slow_work
from domainlm.parallel.world import current_world
from domainlm.train.checkpoints.reading import Checkpoint
from domainlm.train.checkpoints.runs import Checkpoints, Contents
from domainlm.train.continuing import METRICS
from domainlm.train.loop_settings import LoopSettings
from domainlm.train.metrics import MetricsLog
from domainlm.train.milestones import Milestone
from domainlm.train.nonfinite import BadSteps, find_origin
from domainlm.train.objective import Batch, BatchSource, Objective
from domainlm.train.observer import Observer
from domainlm.train.progress import progress_bar, show_step
from domainlm.train.saving import Saving
from domainlm.train.schedule import learning_rate
from domainlm.train.signals import DeferredSignal, deferred_signals
from domainlm.train.worker import OneProcess, Worker

BatchT = TypeVar("BatchT", bound=Batch)

_log = logging.getLogger(__name__)


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
    """Train `model` in place until `settings.end` steps are done, going on from `work/checkpoints` if there.

    A milestone may end it earlier.

    Leaves `work/metrics.jsonl` (a line per step: step, loss, parts of the loss, learning_rate, gradient_norm,
    num_tokens, milestones' numbers; no times) and `work/checkpoints` with a checkpoint of the last step. The caller
    writes what it needs and then calls `remove_checkpoints`. Called again after the last step it only restores.

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
        worker: what computes; this process by itself where None. On a grid every rank brings one of its own.

    Raises:
        ModelError: the loss or the gradient was not finite too often, or a checkpoint belongs to another run.
        KeyboardInterrupt: after the current step and a checkpoint, when interrupted (a second time: at once).
    """
    world = current_world()
    worker = worker or OneProcess(model, objective, settings.optimizer, device, settings.seed)
    run = _Run(worker, source, settings, work=work, observer=observer, milestones=milestones)
    found = run.restore()
    first, unsettled = (0, None) if found is None else (found.step, found.unsettled)
    with (
        MetricsLog(work / METRICS, first - (unsettled is not None), is_writer=world.is_first) as log,
        progress_bar(settings.phase, settings.num_steps, first, is_shown=world.is_first) as bar,
        deferred_signals(is_alone=world.size == 1) as signals,
        own_random_state(device),
        run.saving(),
    ):
        if unsettled is not None:
            run.settle(_Advance(first, unsettled, 0.0), log, signals)
            run.save_where_due(first, log, signals)
        for step in range(first, settings.end):
            if run.stops_early:
                break
            advance = run.advance(step)
            run.settle(advance, log, signals)
            show_step(bar, advance.values, advance.seconds)
            run.save_where_due(advance.step, log, signals)
            note_step(advance.step)


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
        self._observer = observer
        self._milestones = milestones
        run = "/".join([settings.identity(), *(milestone.name for milestone in milestones)])
        world = current_world()
        checkpoints = Checkpoints(
            work,
            run,
            settings.num_checkpoints_kept,
            num_steps_per_kept=settings.num_steps_per_kept_checkpoint,
            in_background=settings.checkpoints_in_background,
            world=world,
        )
        self._saving = Saving(checkpoints, self._contents, world, observer)
        self._bad_steps = BadSteps(settings.phase, settings.num_steps, settings.num_bad_steps_until_stop)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Within the context checkpoints are written; at its end the last one is complete."""
        try:
            yield
            self._saving.finish()
        except BaseException as error:
            self._saving.finish_after(error)
            raise

    @property
    def stops_early(self) -> bool:
        """Whether a milestone has seen enough."""
        return any(milestone.stops for milestone in self._milestones)

    def restore(self) -> Checkpoint | None:
        """Go back to the last good checkpoint, if there is one."""
        found = self._saving.latest()
        if found is not None:
            _log.info("%s: going on after step %d, from %s", self._settings.phase, found.step, found.folder)
            weights = self._worker.weights()
            found.check_names(self._worker.names())
            found.load("weights", weights)
            self._worker.load_optimizer(found.optimizer(weights))
            self._worker.restored(found.manifest.training)
            self._bad_steps.restore(found.manifest.training)
            for milestone in self._milestones:
                milestone.restore(found.state[milestone.name], found.files(milestone.name))
        return found

    def save_where_due(self, step: int, log: MetricsLog, signals: DeferredSignal) -> None:
        """Begin a checkpoint where one is due; where any rank has received a signal, save, and stop all of them."""
        number = self._saving.agree(signals.number)
        is_last = step == self._settings.end or self.stops_early
        intervals = (self._settings.num_steps_per_checkpoint, self._settings.num_steps_per_kept_checkpoint)
        if number or is_last or any(each and step % each == 0 for each in intervals):
            self._saving.save(step, log)
        if number:
            self._saving.finish()
            signals.deliver(number)

    def _contents(self, unsettled: Mapping[str, float] | None) -> Contents:
        return Contents(
            weights=self._worker.weights(),
            optimizer=self._worker.optimizer_state(),
            training=self._bad_steps.state() | self._worker.scalars(),
            milestones={milestone.name: milestone.state() for milestone in self._milestones},
            files={milestone.name: milestone.files() for milestone in self._milestones},
            unsettled=unsettled,
        )

    def advance(self, step: int) -> _Advance:
        """Update the weights by the step that follows `step` done ones."""
        settings = self._settings
        started = time.perf_counter()
        rate = learning_rate(step, settings.num_steps, settings.optimizer.learning_rate, settings.schedule)
        micro_batches = self._source.micro_batches(step)
        found = self._worker.gradients(step, micro_batches)
        parts = {"loss": math.fsum(found.parts.values()), **found.parts}
        values = {**parts, "learning_rate": rate, "gradient_norm": found.norm}
        if not found.is_usable:
            self._bad_steps.note_overflow()
            values = {"overflow": 1.0, "learning_rate": rate}
        elif self._is_bad(step, values, micro_batches):
            values = {"skipped": 1.0, "learning_rate": rate}
        else:
            self._worker.update(rate)
        return _Advance(step + 1, {**values, "num_tokens": found.num_tokens}, time.perf_counter() - started)

    def _is_bad(self, step: int, values: Mapping[str, float], micro_batches: Sequence[BatchT]) -> bool:
        def origin() -> str:
            worker = self._worker
            return find_origin(worker.module, lambda: worker.accumulate(step, micro_batches), current_world())

        try:
            return self._bad_steps.is_bad(step + 1, values, origin)
        except ModelError:
            self._saving.finish()  # every rank is here
            raise

    def settle(self, advance: _Advance, log: MetricsLog, signals: DeferredSignal) -> None:
        """Run the milestones of a step, write its metrics and tell of it.

        Milestones may take long: they are interrupted at once, or by all ranks between two batches, and run again when
        the run goes on.
        """
        values = dict(advance.values)
        due = [milestone for milestone in self._milestones if milestone.due(advance.step)]
        try:
            with signals.immediate() if due else nullcontext(), slow_work() if due else nullcontext():
                for milestone in due:
                    values |= milestone.run(advance.step)
        except KeyboardInterrupt:
            self._saving.save(advance.step, log, advance.values)
            if current_world().size > 1:
                self._saving.finish()  # every rank is here
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

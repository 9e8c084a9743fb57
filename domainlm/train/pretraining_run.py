"""A pretraining that has all it needs, computed by this process alone or by the ranks of a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from domainlm.model.config import ModelConfig
from domainlm.model.files import save_model
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.compiling import CompiledLayers
from domainlm.parallel.device import Device
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.train.continuing import MODEL, carried_moments
from domainlm.train.freezing import embeddings_first
from domainlm.train.grid import build_grid_worker, save_grid_model
from domainlm.train.loop import train
from domainlm.train.loop_settings import LoopSettings
from domainlm.train.milestones import Milestone
from domainlm.train.minutes import fitted_steps
from domainlm.train.objective import BatchSource
from domainlm.train.observer import Observer
from domainlm.train.pretraining import PretrainingBatch, PretrainingObjective
from domainlm.train.worker import OneProcess, Worker

Source = BatchSource[PretrainingBatch]
Scoring = Callable[[nn.Module], Sequence[Milestone]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainingRun:
    """What a pretraining is made of, whoever computes it.

    Attributes:
        settings: steps, batches, optimizer.
        config: shape of the encoder.
        build: makes the model, with its first weights and what rests for good.
        objective: the loss.
        source: the batches.
        device: where to compute.
        moments: a file with the optimizer's state to begin with; fresh where None.
        work: folder of the run; the finished model goes to `model/` in it.
        observer: told of steps and checkpoints.
        facts: what config.json of the model says besides the shape.
    """

    settings: PretrainingSettings
    config: ModelConfig
    build: Callable[[], PretrainingModel]
    objective: PretrainingObjective
    source: Source
    device: Device
    moments: Path | None
    work: Path
    observer: Observer
    facts: Mapping[str, Any]

    def train_whole(self, scoring: Scoring) -> None:
        """Train the whole model in this process, and write it.

        Args:
            scoring: given the model, what is done every `settings.num_steps_per_score` steps.
        """
        settings = self._within_minutes(scoring)
        worker, source = self._whole_model(self.moments)
        self._train(worker, source, settings, scoring(worker.module))
        save_model(self.work / MODEL, worker.module, self.config, self.facts)

    def train_divided(self, parallel: ParallelSettings, runtime: RuntimeSettings) -> None:
        """Train this rank's part of the model, and write it together with the other ranks.

        A budget in minutes and scores on the way need a whole model: `recipe.cell_grid` refuses them here.
        """
        worker = build_grid_worker(
            self.build,
            self.objective,
            config=self.config,
            phase=self.settings,
            parallel=parallel,
            runtime=runtime,
            device=self.device,
            seed=self.settings.seed,
        )
        if self.moments is not None:
            worker.load_optimizer(carried_moments(self.moments, worker.weights()))
        source = embeddings_first(self.source, worker.module, self.settings.num_embedding_steps)
        self._train(worker, source, self.settings)
        save_grid_model(worker, self.work / MODEL, self.config, self.facts)
        worker.close()

    def _within_minutes(self, scoring: Scoring) -> PretrainingSettings:
        """The settings with the steps that fit into `max_minutes`, where that is given."""
        settings = self.settings
        if settings.max_minutes is None:
            return settings
        fitted = fitted_steps(
            self.work,
            settings.max_minutes,
            settings.num_steps,
            lambda: self._whole_model(None),
            self.device,
            first_step=settings.num_embedding_steps,
            milestones=lambda model: [(each, settings.num_steps_per_score or 1) for each in scoring(model)],
        )
        return settings.model_copy(update={"num_steps": fitted.num_steps})

    def _whole_model(self, moments: Path | None) -> tuple[OneProcess[PretrainingBatch], Source]:
        """A worker with the model, and the batches; parts may rest at first."""
        model, settings = self.build(), self.settings
        source = embeddings_first(self.source, model, settings.num_embedding_steps)
        compiled = CompiledLayers(model.encoder.layers[:-1], self.device)
        worker = OneProcess(model, self.objective, settings.optimizer, self.device, settings.seed, compiled=compiled)
        if moments is not None:
            learns = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
            worker.load_optimizer(carried_moments(moments, (each for each in worker.weights() if each.name in learns)))
        return worker, source

    def _train(
        self,
        worker: Worker[PretrainingBatch],
        source: Source,
        settings: PretrainingSettings,
        milestones: Sequence[Milestone] = (),
    ) -> None:
        train(
            worker.module,
            self.objective,
            source,
            _loop_settings(settings),
            device=self.device,
            work=self.work,
            observer=self.observer,
            milestones=milestones,
            worker=worker,
        )


def _loop_settings(settings: PretrainingSettings) -> LoopSettings:
    return LoopSettings(
        phase="pretrain",
        num_steps=settings.num_steps,
        optimizer=settings.optimizer,
        schedule=settings.schedule,
        seed=settings.seed,
        num_steps_per_checkpoint=settings.num_steps_per_checkpoint,
        num_checkpoints_kept=settings.num_checkpoints_kept,
        num_steps_per_kept_checkpoint=settings.num_steps_per_kept_checkpoint,
        checkpoints_in_background=settings.checkpoints_in_background,
        num_bad_steps_until_stop=settings.num_bad_steps_until_stop,
        last_step=settings.last_step,
    )

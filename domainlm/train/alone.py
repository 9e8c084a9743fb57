"""Pretraining that one process does by itself, whose budget may be in minutes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.compiling import CompiledLayers
from domainlm.parallel.device import Device
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.train.continuing import carried_moments
from domainlm.train.freezing import embeddings_first
from domainlm.train.milestones import Milestone
from domainlm.train.minutes import fitted_steps
from domainlm.train.objective import BatchSource
from domainlm.train.pretraining import PretrainingBatch, PretrainingObjective
from domainlm.train.worker import OneProcess

Prepared = tuple[OneProcess[PretrainingBatch], BatchSource[PretrainingBatch]]


@dataclass(frozen=True, slots=True)
class Alone:
    """What a whole model is trained with; a budget in minutes needs one, and grids are refused it (`recipe.cell_grid`).

    Attributes:
        build: makes the model, with its first weights and what rests for good.
        objective: the loss.
        source: the batches.
        device: where to compute.
    """

    build: Callable[[], PretrainingModel]
    objective: PretrainingObjective
    source: BatchSource[PretrainingBatch]
    device: Device

    def prepared(self, settings: PretrainingSettings, moments: Path | None = None) -> Prepared:
        """A worker with the model, and the batches; parts may rest at first.

        Args:
            settings: what rests at first, the optimizer and the seed.
            moments: a file with the optimizer's state to begin with; fresh where None.
        """
        model = self.build()
        source = embeddings_first(self.source, model, settings.num_embedding_steps)
        compiled = CompiledLayers(model.encoder.layers[:-1], self.device)
        worker = OneProcess(model, self.objective, settings.optimizer, self.device, settings.seed, compiled=compiled)
        if moments is not None:
            learns = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
            worker.load_optimizer(carried_moments(moments, (each for each in worker.weights() if each.name in learns)))
        return worker, source

    def within_minutes(
        self,
        settings: PretrainingSettings,
        work: Path,
        milestones: Callable[[nn.Module], Sequence[Milestone]] = lambda _: (),
    ) -> PretrainingSettings:
        """The settings with the steps that fit into `max_minutes`, where that is given.

        Args:
            settings: the settings.
            work: folder of the run.
            milestones: what is done every `settings.num_steps_per_score` steps, given the model.
        """
        if settings.max_minutes is None:
            return settings
        fitted = fitted_steps(
            work,
            settings.max_minutes,
            settings.num_steps,
            lambda: self.prepared(settings),
            self.device,
            first_step=settings.num_embedding_steps,
            milestones=lambda model: [(each, settings.num_steps_per_score or 1) for each in milestones(model)],
        )
        return settings.model_copy(update={"num_steps": fitted.num_steps})

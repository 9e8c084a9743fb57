"""The model that fine-tuning trains, evaluates and writes: whole in this process, or divided over a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from domainlm.model.config import ModelConfig
from domainlm.model.files import save_model
from domainlm.parallel.device import Device
from domainlm.parallel.forward import WholeForward
from domainlm.parallel.world import World
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.kind import PreparedTask
from domainlm.train.grid import GridWeights, build_grid_worker, needs_grid_worker, save_grid_model
from domainlm.train.grid_worker import GridWorker
from domainlm.train.milestones import ModuleWeights, WeightKeeper
from domainlm.train.signals import heed_signals


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model and how it is handled.

    Attributes:
        model: to be called; on a grid by every rank alike.
        keeper: keeps its weights in files.
        device: where it is.
        worker: trains it; None where the loop does so by itself.
    """

    model: nn.Module
    keeper: WeightKeeper
    device: Device
    worker: GridWorker | None = None

    def save(self, folder: Path, config: ModelConfig, extra: Mapping[str, Any]) -> None:
        """Write a model folder."""
        if self.worker is None:
            save_model(folder, self.model, config, extra)
        else:
            save_grid_model(self.worker, folder, config, extra)

    def close(self) -> None:
        """Give back what the engine holds."""
        if self.worker is not None:
            self.worker.close()


def trained_model(
    prepared: PreparedTask,
    *,
    phase: FinetuningSettings,
    config: ModelConfig,
    parallel: ParallelSettings,
    runtime: RuntimeSettings,
    device: Device,
    seed: int,
) -> TrainedModel:
    """The task's model with its first weights; on a grid this rank's part of it.

    Args:
        prepared: builds the model and knows its loss.
        phase: batches and optimizer.
        config: shape of the encoder.
        parallel: how the work is divided over the ranks.
        runtime: number formats.
        device: this rank's.
        seed: of the dropout.
    """
    if not needs_grid_worker(device, parallel):
        model = prepared.build_model()
        return TrainedModel(model, ModuleWeights(model), device)
    worker = build_grid_worker(
        prepared.build_model,
        prepared.objective,
        config=config,
        phase=phase,
        parallel=parallel,
        runtime=runtime,
        device=device,
        seed=seed,
    )
    return TrainedModel(WholeForward(worker.replica, heed_signals), GridWeights(worker), device, worker)


def share_rows(settings: FinetuningSettings, world: World) -> FinetuningSettings:
    """The same settings with micro-batches small enough for every data rank to have one of each step."""
    largest = -(-settings.num_sequences_per_step // world.grid.data_degree)
    if settings.num_sequences_per_micro_batch <= largest:
        return settings
    return settings.model_copy(update={"num_sequences_per_micro_batch": largest})

"""From a recipe's settings to this rank's worker, and from the worker back to a model folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn

from domainlm.model.config import ModelConfig
from domainlm.model.files import save_streamed_model
from domainlm.model.tensor_file import file_order, write_tensor_stream
from domainlm.parallel.device import Device, give_freed_memory_back
from domainlm.parallel.gathering import gather_tensors
from domainlm.parallel.heartbeat import slow_work
from domainlm.parallel.rank_model import build_rank_model
from domainlm.parallel.replica import GridOptions
from domainlm.parallel.stage_module import StagedLoss
from domainlm.parallel.stages import Division
from domainlm.parallel.world import current_world
from domainlm.plan.memory import fullest
from domainlm.plan.stages import layers_per_stage
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.recipe.work import schedule_of, work_of
from domainlm.train.grid_worker import GridWorker

_LARGE_BYTES = 2**30
"""Of a rank's weights, gradients and optimizer: from here on room counts for more than the time of fresh pages, where
ranks share a machine. A process by itself keeps them: with bf16 weights a step of 12 layers x 768 took 1.7 s, not 2.6.
"""


def needs_grid_worker(device: Device, parallel: ParallelSettings) -> bool:
    """Whether training takes more than one process by itself in fp32 or with autocast to bf16."""
    is_plain = device.precision in ("fp32", "bf16") and parallel.activation_checkpointing == "off"
    return current_world().is_joined or not is_plain


def build_grid_worker(
    build: Callable[[], nn.Module],
    objective: StagedLoss,
    *,
    config: ModelConfig,
    phase: PretrainingSettings | FinetuningSettings,
    parallel: ParallelSettings,
    runtime: RuntimeSettings,
    device: Device,
    seed: int,
) -> GridWorker:
    """This rank's part of a model, ready to be trained. Every rank of the world calls this.

    Args:
        build: makes the whole model; called on the meta device, so that `initialise` and `load_weights` only note
            where its numbers come from.
        objective: the loss.
        config: shape of the encoder.
        phase: batches and optimizer. In fine-tuning a source gives the micro-batches of all data ranks.
        parallel: how the work is divided; the degrees are those of the world.
        runtime: number formats.
        device: this rank's.
        seed: of the dropout.

    Raises:
        MachineError: the model does not divide by the tensor degree.
    """
    world = replace(current_world(), device=device.torch_device)  # a process by itself may have a GPU too
    work = work_of(config, phase, parallel, runtime, on_gpu=device.torch_device.type == "cuda")
    num_layers = layers_per_stage(work, world.grid.pipeline_degree * parallel.num_stages_per_rank)
    if world.is_joined and fullest(work, world.grid.degrees).states > _LARGE_BYTES:
        give_freed_memory_back()
    pretrains = isinstance(phase, PretrainingSettings)
    division = Division(num_layers, world.grid.pipeline_degree)
    held = build_rank_model(build, division, world, divides_vocabulary=parallel.divide_vocabulary and pretrains)
    options = GridOptions(
        engine=parallel.engine,
        schedule=schedule_of(parallel),
        num_layers_per_recomputed=parallel.num_layers_per_recomputed,
        divides_optimizer=parallel.shard_optimizer,
        compiles=pretrains,
    )
    return GridWorker(
        held, objective, phase.optimizer, device, seed=seed, options=options, shares_batches=not pretrains
    )


def save_grid_model(worker: GridWorker, folder: Path, config: ModelConfig, extra: Mapping[str, Any]) -> None:
    """Write a model folder as `domainlm.model.files.save_model` does; rank 0 holds one tensor at a time.

    Every rank calls this; it returns once the folder is there.
    """
    with slow_work():
        shapes = worker.held.shapes
        _gather_on_first(worker, lambda tensors: save_streamed_model(folder, shapes, tensors, config, extra))


@dataclass(frozen=True, slots=True)
class GridWeights:
    """Keeps a divided model's weights in one safetensors file. Every rank calls the same methods."""

    worker: GridWorker

    @property
    def is_writer(self) -> bool:
        """Whether this is the rank that writes files."""
        return self.worker.held.world.is_first

    def write(self, path: Path) -> None:
        """Write all weights."""
        shapes = self.worker.held.shapes
        _gather_on_first(self.worker, lambda tensors: write_tensor_stream(path, shapes, tensors))

    def read(self, path: Path) -> None:
        """Take this rank's parts out of such a file."""
        self.worker.held.world.barrier()
        with safe_open(path, framework="pt", device="cpu") as file, torch.no_grad():
            for shard in self.worker.weights():
                shard.tensor.copy_(file.get_slice(shard.name)[shard.slices])
        self.worker.restored({})

    def same_for_all(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """The numbers of rank 0, so that all ranks decide alike."""
        told: dict[str, float] = self.worker.held.world.broadcast(dict(metrics))
        return told


def _gather_on_first(worker: GridWorker, write: Callable[[Iterator[torch.Tensor]], object]) -> None:
    """Give rank 0 the whole weights, in the order of the file, to write; the others take part until it has."""
    world = worker.held.world
    tensors = gather_tensors(world, worker.weights(), file_order(worker.held.shapes))
    if world.is_first:
        write(tensors)
    else:
        for _ in tensors:  # empty here
            pass
    world.barrier()

"""Counts what a rank of a grid holds: called by `run_on_ranks`, by file and name; imports no pytest."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.distributed.pipelining.stage import _RecvInfo

from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.device import choose_device
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.train.grid import build_grid_worker
from domainlm.train.pretraining import PretrainingObjective

sys.path.insert(0, str(Path(__file__).parent))
from training import config, micro_batches

if TYPE_CHECKING:
    from domainlm.parallel.world import World

PHASE = PretrainingSettings(
    num_steps=1,
    num_sequences_per_step=16,
    num_sequences_per_micro_batch=2,
    max_tokens=24,
    second_objective="sentence_order",
)


def count(world: World, parallel: Mapping[str, Any], precision: str) -> dict[str, int]:
    """Bytes of weights, gradients, optimizer and pipeline buffers after two steps on this rank, and its stage."""
    runtime = RuntimeSettings.model_validate({"precision": precision, "device": "cpu"})

    def build() -> PretrainingModel:
        model = PretrainingModel(config(), sentence_order=True)
        initialise(model, 0)
        return model

    worker = build_grid_worker(
        build,
        PretrainingObjective(),
        config=config(),
        phase=PHASE,
        parallel=ParallelSettings.model_validate(parallel),
        runtime=runtime,
        device=choose_device("cpu", runtime.precision),
        seed=0,
    )
    for step in range(2):  # rows of the second are as long as planned; those of the first, which are shorter, leave
        worker.gradients(step, micro_batches(step, world.grid.data_rank, world.grid.data_degree))
        worker.update(1e-3)
    held = list(worker.replica.masters.by_name.values())
    weights = list(worker.held.module.parameters())
    state = [shard.tensor for shard in worker.optimizer_state()]
    copies = [master for master, weight in zip(held, weights, strict=True) if master is not weight]
    found = {
        "stage": world.grid.stage,
        "weights": _num_bytes(weights),
        "gradients": _num_bytes(each.grad for each in [*weights, *copies] if each.grad is not None),
        "optimizer": _num_bytes([*state, *copies]),
        "buffers": _num_bytes(_buffers()),
    }
    worker.replica.close()
    return found


def _buffers() -> list[torch.Tensor]:
    """What all schedules of torch.distributed.pipelining that are in memory receive into."""
    infos = [each for each in gc.get_objects() if type(each) is _RecvInfo]
    return [info.buffer for info in infos if info.buffer is not None]


def _num_bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

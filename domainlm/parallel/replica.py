"""A rank's share of a training step: its stages run, its gradients summed, scaled back, measured and clipped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from domainlm.parallel.compiling import CompiledLayers
from domainlm.parallel.data import GradientSum
from domainlm.parallel.device import Device
from domainlm.parallel.heartbeat import waiting
from domainlm.parallel.precision import LossScale, MasterWeights
from domainlm.parallel.rank_model import RankModel
from domainlm.parallel.schedule import Engine, EngineName, ScheduleName, make_engine
from domainlm.parallel.seeds import Seeds, fork_in_attention
from domainlm.parallel.stage_module import StagedLoss, StageModule
from domainlm.parallel.vocabulary_engine import NUM_SHARES, VocabularyEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class GridOptions:
    """How a grid computes; what it computes is the same up to the last digits and the dropout drawn.

    Attributes:
        engine: what runs a pipeline.
        schedule: the order of its micro-batches.
        num_layers_per_recomputed: activations of every so many-th layer are computed again in the backward pass instead
            of being kept; 0 for none.
        divides_optimizer: whether the optimizer's state is divided over the data ranks.
        compiles: whether layers are called as compiled, where the device says so and they are not divided over tensor
            ranks.
    """

    engine: EngineName = "auto"
    schedule: ScheduleName = "auto"
    num_layers_per_recomputed: int = 0
    divides_optimizer: bool = False
    compiles: bool = False


@dataclass(frozen=True, slots=True)
class StepGradients:
    """What is known of a step's gradient, which itself is in the parameters (on a grid in their fp32 masters).

    Attributes:
        parts: of the loss, each a mean over the whole step, on all data ranks.
        norm: of the whole gradient, before clipping.
        num_tokens: real sub-tokens of the step, on all data ranks.
        is_usable: false where fp16 overflowed: the step is to be skipped.
    """

    parts: dict[str, float]
    norm: float
    num_tokens: int
    is_usable: bool = True


class Replica:
    """This rank's part of the model, ready to be trained.

    Args:
        held: this rank's part.
        objective: the loss.
        device: where to compute, and in which precision.
        seed: of the dropout.
        options: engine, schedule, activation checkpointing, compilation.
    """

    def __init__(
        self, held: RankModel, objective: StagedLoss, device: Device, *, seed: int, options: GridOptions
    ) -> None:
        self.held, self.world = held, held.world
        self._objective, self._device = objective, device
        narrow = torch.bfloat16 if device.precision == "bf16_weights" else torch.float32
        self.masters = MasterWeights(held.module, narrow)
        self.loss_scale = LossScale() if device.precision == "fp16" else None
        compiles = options.compiles and self.world.grid.tensor_degree == 1
        if not compiles:  # where there is one tensor rank, its stream may as well be the common one
            fork_in_attention(held.module, self.world)
        self._compiled = CompiledLayers(held.inner_layers() if compiles else (), device)
        seeds = Seeds(seed, self.world.grid.data_rank, device.torch_device)
        every = options.num_layers_per_recomputed
        self.stages = [
            StageModule(held, stage, objective, device, seeds, num_layers_per_recomputed=every)
            for stage in held.division.stages_of(self.world.grid.stage)
        ]
        self._engine = self._make_engine(options)
        pairs = zip(self.masters.parameters, self.masters.by_name.items(), strict=True)
        trained = [(used, name, master) for used, (name, master) in pairs if used.requires_grad]
        shares = NUM_SHARES if held.divides_vocabulary else {}
        self._sum = GradientSum(
            [used for used, _, _ in trained],
            [master for _, _, master in trained],
            self.world,
            {index: shares[name] for index, (_, name, _) in enumerate(trained) if name in shares},
        )
        self._tied = [
            self.masters.by_name[name]
            for name, parameter in held.module.named_parameters()
            if parameter.requires_grad and any(parameter is tied for tied in held.tied_parameters())
        ]

    def _make_engine(self, options: GridOptions) -> Engine:
        if self.held.divides_vocabulary:
            return VocabularyEngine(self.stages[0], self.world)
        return make_engine(self.stages, self.world, engine=options.engine, schedule=options.schedule)

    def gradients(
        self, step: int, micro_batches: Sequence[Any], max_norm: float | None, *, is_stand_in: bool = False
    ) -> StepGradients:
        """Compute the gradient of a step, summed over the data ranks and clipped.

        Args:
            step: steps done before.
            micro_batches: of this data rank; all ranks of a replica pass the same.
            max_norm: the gradient is shortened to this norm; None leaves it as it is.
            is_stand_in: the micro-batches are not to count: there are fewer than data ranks, and this one has none.
        """
        counts, num_tokens = self.accumulate(step, micro_batches, is_stand_in=is_stand_in)
        with waiting():
            parts, square = self._share_numbers(list(counts))
        scale = 1.0 if self.loss_scale is None else self.loss_scale.value
        norm = math.sqrt(square) / scale if math.isfinite(square) else square
        usable = self.loss_scale is None or self.loss_scale.judge(norm)
        self._rescale(norm, scale, max_norm)
        return StepGradients(parts, norm, num_tokens, usable)

    def accumulate(
        self, step: int, micro_batches: Sequence[Any], *, is_stand_in: bool = False
    ) -> tuple[Mapping[str, float], int]:
        """Leave the gradient of a step in the masters, times the loss scale and not clipped.

        Returns:
            Items of each part of the loss, and sub-tokens, in the whole step.
        """
        self.held.module.train()
        counts, num_tokens = self._count(micro_batches, 0 if is_stand_in else 1)
        batches = [batch.to(self._device.torch_device) for batch in micro_batches]
        scale = 1.0 if self.loss_scale is None else self.loss_scale.value
        for stage in self.stages:
            stage.begin(step, batches, counts, 0.0 if is_stand_in else scale)
        with self._device.training(), self._compiled.in_use():
            self._sum.begin(len(batches))
            self._engine.run(len(batches))
            self._sum.finish()
        for parameter in self._tied:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            self.world.sum_tensor(parameter.grad, "embedding")
        return counts, num_tokens

    def close(self) -> None:
        """Give back what the engine holds."""
        self._engine.close()

    def _count(self, micro_batches: Sequence[Any], weight: int) -> tuple[Mapping[str, float], int]:
        """Items of each part of the loss, and sub-tokens, in the whole step."""
        totals: dict[str, float] = {}
        for batch in micro_batches:
            for part, count in self._objective.counts(batch).items():
                totals[part] = totals.get(part, 0) + count * weight
        num_tokens = sum(batch.num_tokens for batch in micro_batches) * weight
        summed = self.world.sum([*totals.values(), num_tokens], "data")
        return dict(zip(totals, summed, strict=False)), int(summed[-1])

    def _share_numbers(self, parts: Sequence[str]) -> tuple[dict[str, float], float]:
        """The parts of the loss, and the square of the gradient's norm, on all ranks alike.

        The last stage has the losses, once for each tensor rank; data ranks have the same gradients.
        """
        grid = self.world.grid
        sums: Mapping[str, torch.Tensor] = self.stages[-1].sums if self.stages[-1].is_last else {}
        own = [
            float(sums[part]) * self.stages[-1].weight if part in sums and grid.tensor_rank == 0 else 0.0
            for part in parts
        ]
        counted = [
            parameter.grad
            for name, parameter in self.masters.by_name.items()
            if self.held.is_counted(name) and parameter.grad is not None
        ]
        square = float(nn.utils.get_total_norm(counted).double() ** 2) if counted and grid.data_rank == 0 else 0.0
        *losses, total = self.world.sum([*own, square])
        return dict(zip(parts, losses, strict=True)), total

    def _rescale(self, norm: float, scale: float, max_norm: float | None) -> None:
        """Undo the loss scale, and clip."""
        factor = 1.0 / scale
        if max_norm is not None and norm > max_norm:
            factor *= max_norm / (norm + 1e-6)  # as torch.nn.utils.clip_grad_norm_
        gradients = [each.grad for each in self.masters.by_name.values() if each.grad is not None]
        if factor != 1.0 and gradients:
            torch._foreach_mul_(gradients, factor)  # one kernel for many: the GPU waits for this

"""What the loop asks of whoever computes: a process by itself, or one rank of a grid."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import nn

from domainlm.parallel.compiling import CompiledLayers
from domainlm.parallel.device import Device
from domainlm.parallel.heartbeat import note_part
from domainlm.parallel.replica import StepGradients
from domainlm.parallel.seeds import micro_batch_seed, seed_generators
from domainlm.parallel.shards import Shard
from domainlm.recipe.optimizer_settings import OptimizerSettings
from domainlm.train.layer_decay import set_learning_rate
from domainlm.train.objective import Batch, Objective
from domainlm.train.optimizer import build_optimizer, optimizer_tensors, restore_optimizer

BatchT = TypeVar("BatchT", bound=Batch)
BatchT_contra = TypeVar("BatchT_contra", bound=Batch, contravariant=True)


class Worker(Protocol[BatchT_contra]):
    """Computes gradients and updates weights. On a grid all ranks call the same methods in the same order."""

    @property
    def module(self) -> nn.Module:
        """What this process has of the model."""

    def accumulate(self, step: int, micro_batches: Sequence[BatchT_contra]) -> object:
        """Compute the gradient of the step that follows `step` done ones; neither scaled back nor clipped."""

    def gradients(self, step: int, micro_batches: Sequence[BatchT_contra]) -> StepGradients:
        """Compute and clip the gradient of the step that follows `step` done ones."""

    def update(self, rate: float) -> None:
        """Update the weights by the last gradient, at this learning rate."""

    def names(self) -> Iterable[str]:
        """The names of all weights, here and elsewhere."""

    def weights(self) -> list[Shard]:
        """What this process holds of the weights, in fp32: views, after writing to which `restored` is to be called."""

    def optimizer_state(self) -> list[Shard]:
        """What this process holds of the optimizer's state, named `PARAMETER|KEY`."""

    def load_optimizer(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Put back pieces of the state; they are those of the weights that are here, named as above."""

    def scalars(self) -> dict[str, float]:
        """Further numbers that a run goes on from (the loss scale of fp16), the same on every rank."""

    def restored(self, scalars: Mapping[str, Any]) -> None:
        """Take over what was written to the views, and the numbers that `scalars` gave, among others."""


class OneProcess(Generic[BatchT]):
    """The whole model in this process.

    Args:
        model: moved to the device.
        objective: the loss.
        optimizer: AdamW's settings.
        device: where to compute, and in which precision.
        seed: of the dropout.
        compiled: layers of the model that are called as compiled, where the device says so.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective[BatchT],
        optimizer: OptimizerSettings,
        device: Device,
        seed: int,
        *,
        compiled: CompiledLayers | None = None,
    ) -> None:
        self.module = model.to(device.torch_device)
        self._compiled = compiled or CompiledLayers((), device)
        self._objective, self._settings, self._device, self._seed = objective, optimizer, device, seed
        self.optimizer = build_optimizer(model, optimizer)
        self._parameters = [p for group in self.optimizer.param_groups for p in group["params"]]

    def gradients(self, step: int, micro_batches: Sequence[BatchT]) -> StepGradients:
        """Accumulate the gradients of a step and clip them."""
        sums = self.accumulate(step, micro_batches)
        norm = nn.utils.clip_grad_norm_(self._parameters, self._settings.max_gradient_norm or math.inf)
        num_tokens = sum(batch.num_tokens for batch in micro_batches)
        return StepGradients({part: float(value) for part, value in sums.items()}, float(norm), num_tokens)

    def accumulate(self, step: int, micro_batches: Sequence[BatchT]) -> dict[str, torch.Tensor]:
        """Leave the gradients of a step in the parameters; returns the parts of the loss."""
        self.module.train()
        self.optimizer.zero_grad(set_to_none=True)
        totals: Counter[str] = Counter()
        for batch in micro_batches:
            totals.update(self._objective.counts(batch))
        sums: dict[str, torch.Tensor] = {}
        with self._device.training(), self._compiled.in_use():
            for index, batch in enumerate(micro_batches):
                note_part()
                seed_generators(micro_batch_seed(self._seed, step, index), self._device.torch_device)
                with self._device.autocast():
                    losses = self._objective.loss_sums(self.module, batch.to(self._device.torch_device))
                means = {part: loss / max(1, totals[part]) for part, loss in losses.items()}
                torch.autograd.backward(torch.stack(list(means.values())).sum())
                for part, mean in means.items():
                    sums[part] = sums[part] + mean.detach() if part in sums else mean.detach()
        return sums

    def update(self, rate: float) -> None:
        """Update the weights."""
        set_learning_rate(self.optimizer, rate)
        self.optimizer.step()

    def names(self) -> Iterable[str]:
        """The names of the weights."""
        return self.module.state_dict()

    def weights(self) -> list[Shard]:
        """The weights, each whole."""
        return [Shard.whole(name, tensor.detach()) for name, tensor in self.module.state_dict().items()]

    def optimizer_state(self) -> list[Shard]:
        """Moments and step counts, each whole."""
        tensors = optimizer_tensors(self.optimizer, self.module)
        return [Shard.whole(name, tensor) for name, tensor in tensors.items()]

    def load_optimizer(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Put back what `optimizer_state` gave."""
        restore_optimizer(self.optimizer, self.module, tensors)

    def scalars(self) -> dict[str, float]:
        """None."""
        return {}

    def restored(self, scalars: Mapping[str, Any]) -> None:
        """Nothing is derived from the views."""

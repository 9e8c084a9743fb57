"""One rank of a grid as the loop sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from domainlm.parallel.data import divided_optimizer, is_divided, owned_parameters, owned_state
from domainlm.parallel.device import Device
from domainlm.parallel.rank_model import RankModel
from domainlm.parallel.replica import GridOptions, Replica, StepGradients
from domainlm.parallel.shards import Shard
from domainlm.parallel.stage_module import StagedLoss
from domainlm.parallel.state_names import split_state_name
from domainlm.recipe.optimizer_settings import OptimizerSettings
from domainlm.train.adamw import AdamW
from domainlm.train.layer_decay import set_learning_rate, split_groups
from domainlm.train.optimizer import optimizer_defaults, optimizer_groups

_SCALE, _NUM_GOOD = "loss_scale", "num_steps_without_overflow"


class GridWorker:
    """Trains this rank's part of a model, together with the other ranks.

    Args:
        held: this rank's part of the model.
        objective: the loss.
        optimizer: AdamW's settings.
        device: where to compute, and in which precision.
        seed: of the dropout.
        options: engine, schedule, activation checkpointing, divided optimizer.
        shares_batches: whether the micro-batches given are those of all data ranks, so that each is to take its part.
    """

    def __init__(
        self,
        held: RankModel,
        objective: StagedLoss,
        optimizer: OptimizerSettings,
        device: Device,
        *,
        seed: int,
        options: GridOptions | None = None,
        shares_batches: bool = False,
    ) -> None:
        options = options or GridOptions()
        self.held, self._settings, self._shares_batches = held, optimizer, shares_batches
        self.replica = Replica(held, objective, device, seed=seed, options=options)
        self._masters = self.replica.masters
        trained = [master for master in self._masters.by_name.values() if master.requires_grad]
        groups = split_groups(
            optimizer_groups(trained, optimizer), self._masters.by_name, optimizer.layer_decay, held.shapes
        )
        defaults = optimizer_defaults(optimizer)
        if options.divides_optimizer and held.world.grid.data_degree > 1 and groups:
            self.optimizer = divided_optimizer(groups, AdamW, held.world, **defaults)
        else:  # a stage may rest as a whole
            self.optimizer = AdamW(groups or [{"params": []}], **defaults)

    @property
    def module(self) -> nn.Module:
        """This rank's part of the model."""
        return self.held.module

    def accumulate(self, step: int, micro_batches: Sequence[Any]) -> None:
        """Compute the gradient of a step, together with all ranks."""
        own, is_stand_in = self._own(micro_batches)
        self.replica.accumulate(step, own, is_stand_in=is_stand_in)

    def gradients(self, step: int, micro_batches: Sequence[Any]) -> StepGradients:
        """Compute and clip the gradient of a step, together with all ranks."""
        own, is_stand_in = self._own(micro_batches)
        max_norm = self._settings.max_gradient_norm or None  # 0 leaves gradients as they are
        return self.replica.gradients(step, own, max_norm, is_stand_in=is_stand_in)

    def close(self) -> None:
        """Give back what the engine holds."""
        self.replica.close()

    def _own(self, micro_batches: Sequence[Any]) -> tuple[Sequence[Any], bool]:
        """This data rank's micro-batches; where it has none, one that is not to count."""
        if not self._shares_batches:
            return micro_batches, False
        rank, degree = self.held.world.grid.data_rank, self.held.world.grid.data_degree
        own = micro_batches[len(micro_batches) * rank // degree : len(micro_batches) * (rank + 1) // degree]
        return own or micro_batches[:1], not own

    def update(self, rate: float) -> None:
        """Update the weights; every data rank does so alike, or its own and passes them on."""
        set_learning_rate(self.optimizer, rate)
        self.optimizer.step()
        self._masters.publish()

    def names(self) -> Iterable[str]:
        """The names of all weights of the model."""
        return self.held.shapes

    def weights(self) -> list[Shard]:
        """This rank's parts of the weights (of the fp32 masters)."""
        return [self.held.shard(name, master.detach()) for name, master in self._masters.by_name.items()]

    def optimizer_state(self) -> list[Shard]:
        """This rank's parts of the moments, and the step counts."""
        state, names = self._allocated_state(), {id(each): name for name, each in self._masters.by_name.items()}
        is_kept_by_all = not is_divided(self.optimizer)
        return [
            self.held.shard(names[id(parameter)], tensor, key=key, is_kept_by_all=is_kept_by_all)
            for parameter in owned_parameters(self.optimizer)
            for key, tensor in sorted(state[parameter].items())
        ]

    def load_optimizer(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Put back pieces of moments and step counts; other data ranks' are passed over."""
        state = self._allocated_state()
        owned = {id(parameter) for parameter in owned_parameters(self.optimizer)}
        for full_name, tensor in tensors:
            name, key = split_state_name(full_name)
            parameter = self._masters.by_name[name]
            if id(parameter) in owned:
                held = state[parameter][key]
                (held if held.ndim == 0 else self.held.places[name].view(held)).copy_(tensor)

    def scalars(self) -> dict[str, float]:
        """The loss scale of fp16."""
        scale = self.replica.loss_scale
        return {} if scale is None else {_SCALE: scale.value, _NUM_GOOD: float(scale.num_good)}

    def restored(self, scalars: Mapping[str, Any]) -> None:
        """Take over what was written to the weights."""
        scale = self.replica.loss_scale
        if scale is not None and _SCALE in scalars:
            scale.value, scale.num_good = scalars[_SCALE], int(scalars[_NUM_GOOD])
        self._masters.publish()

    def _allocated_state(self) -> Any:  # noqa: ANN401 - torch's own mapping
        """The optimizer's state, as it is before the first step where there was none."""
        state = owned_state(self.optimizer)
        for parameter in owned_parameters(self.optimizer):
            if not state[parameter]:
                state[parameter]["step"] = torch.zeros((), device=parameter.device)
                state[parameter]["exp_avg"] = torch.zeros_like(parameter)
                state[parameter]["exp_avg_sq"] = torch.zeros_like(parameter)
        return state

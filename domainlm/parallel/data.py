"""Data parallelism: gradients summed over the replicas while the backward pass goes on, and a divided optimizer.

Losses are divided by the counts of the whole step, so gradients are summed, not averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import distributed, nn

from domainlm.parallel.world import World

_BUCKET_BYTES = 25 * 2**20
"""As torch's DistributedDataParallel: large enough for the network, small enough to start early."""
_INNER = "optim"
"""Attribute of fairscale's OSS: the optimizer of what this rank owns."""


class GradientSum:
    """Sums gradients over the data ranks, a bucket as soon as all of it is there.

    The gradients of a bucket are views of one flat tensor, so nothing is copied. A bucket is sent off once every
    parameter of it has taken its share of the step's last micro-batch, and those before it are sent, so that all ranks
    send in the same order; what is left, because an engine accumulates otherwise, is sent at the end.

    Args:
        parameters: what the backward pass fills.
        holders: what holds the gradients, for each of `parameters`: itself, or its fp32 master.
        world: the grid.
        num_shares: how many shares of a step's gradient a parameter takes, by its place, where that is not one for each
            micro-batch.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        holders: Sequence[nn.Parameter],
        world: World,
        num_shares: Mapping[int, int] | None = None,
    ) -> None:
        self._group = world.group("data")
        self._is_needed = world.grid.data_degree > 1
        self._holders = list(holders)
        self._num_expected, self._num_shares = 0, dict(num_shares or {})
        self._buckets: list[_Bucket] = []
        self._bucket_of: list[int] = []
        self._sent: list[Any] = []
        if self._is_needed:
            self._lay_out()
            for index, parameter in enumerate(parameters):
                call_after_gradient(parameter, partial(self._take, index))

    def _lay_out(self) -> None:
        """Fill buckets from the last parameter, whose gradient comes first."""
        self._bucket_of = [0] * len(self._holders)
        for index in reversed(range(len(self._holders))):
            holder = self._holders[index]
            if not self._buckets or not self._buckets[-1].fits(holder):
                self._buckets.append(_Bucket())
            self._buckets[-1].holders.append(holder)
            self._bucket_of[index] = len(self._buckets) - 1
        for bucket in self._buckets:
            bucket.allocate()

    def begin(self, num_micro_batches: int) -> None:
        """Set all gradients to zero before a step of so many micro-batches."""
        self._num_expected = num_micro_batches
        self._sent.clear()
        if self._is_needed:
            self._counts = [0] * len(self._holders)
            for bucket in self._buckets:
                bucket.reset()
        else:
            for holder in self._holders:
                holder.grad = None

    def _take(self, index: int, _: torch.Tensor) -> None:
        self._counts[index] += 1
        if self._counts[index] == self._num_shares.get(index, self._num_expected):
            self._buckets[self._bucket_of[index]].num_missing -= 1
            while len(self._sent) < len(self._buckets) and self._buckets[len(self._sent)].num_missing == 0:
                self._send()

    def _send(self) -> None:
        flat = self._buckets[len(self._sent)].flat
        self._sent.append(distributed.all_reduce(flat, group=self._group, async_op=True))

    def finish(self) -> None:
        """Wait until all gradients are summed; what no micro-batch used has none, as without other ranks."""
        while len(self._sent) < len(self._buckets):
            self._send()
        for work in self._sent:
            work.wait()
        if self._is_needed:
            for holder, count in zip(self._holders, self._counts, strict=True):
                if not count:
                    holder.grad = None


class _Bucket:
    """Some parameters whose gradients lie one after the other."""

    def __init__(self) -> None:
        self.holders: list[nn.Parameter] = []
        self.num_missing = 0
        self.flat = torch.empty(0)

    def fits(self, holder: nn.Parameter) -> bool:
        """Whether another gradient has room."""
        same = holder.dtype == self.holders[0].dtype
        num_bytes = sum(each.numel() * each.element_size() for each in [*self.holders, holder])
        return same and num_bytes <= _BUCKET_BYTES

    def allocate(self) -> None:
        """Make the flat tensor, once all parameters are known."""
        first = self.holders[0]
        num_elements = sum(holder.numel() for holder in self.holders)
        self.flat = torch.zeros(num_elements, dtype=first.dtype, device=first.device)

    def reset(self) -> None:
        """Zero gradients, none of which is there."""
        self.num_missing = len(self.holders)
        self.flat.zero_()
        start = 0
        for holder in self.holders:
            holder.grad = self.flat[start : start + holder.numel()].view_as(holder)
            start += holder.numel()


def call_after_gradient(parameter: nn.Parameter, call: Callable[[torch.Tensor], None]) -> None:
    """Have something called whenever a backward pass has added to the parameter's gradient."""
    parameter.register_post_accumulate_grad_hook(call)  # type: ignore[no-untyped-call]


def divided_optimizer(
    groups: Sequence[Mapping[str, Any]],
    optimizer: type[torch.optim.Optimizer],
    world: World,
    **defaults: Any,  # noqa: ANN401 - whatever the optimizer takes
) -> torch.optim.Optimizer:
    """An optimizer whose state is divided over the data ranks: fairscale's OSS (after Rajbhandari et al. 2020).

    Args:
        groups: groups of parameters, as any optimizer takes them.
        optimizer: class of the optimizer.
        world: the grid.
        defaults: its settings.
    """
    from fairscale.optim.oss import OSS

    made = OSS([dict(group) for group in groups], optim=optimizer, group=world.group("data"), **defaults)
    assert isinstance(made, torch.optim.Optimizer)
    return made


def is_divided(optimizer: torch.optim.Optimizer) -> bool:
    """Whether each data rank holds the state of a part of the parameters only: of `divided_optimizer`."""
    return hasattr(optimizer, _INNER)


def owned_state(optimizer: torch.optim.Optimizer) -> Mapping[Any, Any]:
    """The state that this rank holds, by parameter: of a divided optimizer what this data rank owns."""
    return _inner(optimizer).state


def owned_parameters(optimizer: torch.optim.Optimizer) -> Iterator[nn.Parameter]:
    """The parameters that this rank updates itself."""
    for group in _inner(optimizer).param_groups:
        yield from group["params"]


def _inner(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """The optimizer of this rank's parameters: inside a divided one, else itself."""
    inner: torch.optim.Optimizer = getattr(optimizer, _INNER, optimizer)
    return inner

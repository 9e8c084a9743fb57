"""Gradients summed while a backward pass goes on: called by `run_on_ranks`, by file and name; imports no pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from domainlm.parallel import data
from domainlm.parallel.data import GradientSum

if TYPE_CHECKING:
    from domainlm.parallel.world import World


def sum_used(world: World, num_micro_batches: int) -> dict[str, Any]:
    """`sum_in_buckets` where every weight is used."""
    return sum_in_buckets(world, num_micro_batches, num_used=6)


def sum_in_buckets(world: World, num_micro_batches: int, num_used: int = 5) -> dict[str, Any]:
    """Every rank's micro-batch i is the number (rank + 1) * 10^i; the gradient of each weight is their sum."""
    data._BUCKET_BYTES = 8
    weights = [nn.Parameter(torch.ones(1)) for _ in range(6)]
    used = weights[:num_used]
    summed = GradientSum(weights, weights, world)
    sent_before = []
    for _ in range(2):  # a second step starts from nothing
        summed.begin(num_micro_batches)
        for index in range(num_micro_batches):
            value = torch.full((1,), float((world.rank + 1) * 10**index))
            torch.autograd.backward((torch.stack(list(used)) * value).sum())
            sent_before.append(len(summed._sent))
        summed.finish()
    gradients = [None if each.grad is None else float(each.grad) for each in weights]
    return {"gradients": gradients, "sent": sent_before, "buckets": len(summed._buckets)}

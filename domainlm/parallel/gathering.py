"""Brings a divided model to one rank, a tensor at a time, so that no rank ever holds the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import distributed

from domainlm.parallel.shards import Shard
from domainlm.parallel.world import World


def gather_tensors(world: World, shards: Sequence[Shard], names: Sequence[str]) -> Iterator[torch.Tensor]:
    """Each named tensor as a whole, on the CPU of world rank 0; elsewhere an empty one.

    All ranks call this and go through it to the end, with the same names in the same order.

    Args:
        world: the grid.
        shards: what this rank holds.
        names: of the tensors.
    """
    own = {shard.name: shard for shard in shards if shard.is_writer}
    told = world.gather([[shard.name, list(shard.offsets), list(shard.tensor.shape)] for shard in own.values()])
    parts: dict[str, list[tuple[int, list[int], list[int]]]] = {name: [] for name in names}
    for rank, entries in enumerate(told):
        for name, offsets, shape in entries:
            parts[name].append((rank, offsets, shape))
    shapes = _global_shapes(world, own)
    for name in names:
        whole = torch.empty(0)
        if world.is_first:
            whole = torch.empty(shapes[name], dtype=torch.float32)
            for rank, offsets, shape in parts[name]:
                part = own[name].tensor.detach().cpu() if rank == 0 else _received(shape, rank)
                place = tuple(slice(offset, offset + size) for offset, size in zip(offsets, shape, strict=True))
                whole[place] = part
        elif name in own and own[name].tensor.numel():
            distributed.send(own[name].tensor.detach().float().cpu().contiguous(), 0)
        yield whole


def _global_shapes(world: World, own: Mapping[str, Shard]) -> dict[str, list[int]]:
    shapes: dict[str, list[int]] = {}
    for entries in world.gather({name: list(shard.global_shape) for name, shard in own.items()}):
        shapes |= entries
    return shapes


def _received(shape: Sequence[int], rank: int) -> torch.Tensor:
    part = torch.empty(list(shape), dtype=torch.float32)
    if part.numel():
        distributed.recv(part, rank)
    return part

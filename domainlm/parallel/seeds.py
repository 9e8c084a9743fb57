"""Random numbers of dropout on a grid: functions of where in the model and in the data they are drawn.

Before each part of the model (embeddings, a layer, the heads) torch's generators are seeded anew from the seed of the
run, the step, the data rank, the micro-batch and the part. So a stage needs not know what others drew, and no state has
to be kept. What tensor ranks compute alike they draw alike; inside attention, where each has heads of its own, each
draws from a stream of its own, and the common one goes on as if nothing had been drawn but one number.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import torch
from torch import nn

from domainlm.model.encoder import SelfAttention
from domainlm.parallel.world import World


@dataclass(frozen=True, slots=True)
class Seeds:
    """Seeds torch before each part of the model.

    Attributes:
        seed: of the run.
        data_rank: whose micro-batches they are.
        device: where the model is.
    """

    seed: int
    data_rank: int
    device: torch.device

    def enter(self, step: int, micro_batch: int, part: str) -> None:
        """Seed torch's generators, of the CPU and of the GPU in use, for a part of the model."""
        seed_generators(_hashed(self.seed, step, self.data_rank, micro_batch, part), self.device)


def seed_generators(seed: int, device: torch.device) -> None:
    """Do what `torch.manual_seed` does to the generators that a device's work draws from.

    That one goes to every GPU of the machine, and for each kind of device that torch does not find it writes down where
    it was called from: a tenth of a millisecond or more a time, for every layer (torch 2.13).
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def micro_batch_seed(seed: int, step: int, micro_batch: int) -> int:
    """The seed of a micro-batch's dropout in a process by itself, unlike all others."""
    return _hashed(seed, step, micro_batch)


def fork_in_attention(model: nn.Module, world: World) -> None:
    """Give each tensor rank a stream of its own inside attention, in training.

    The stream follows from the common one where attention begins: activation checkpointing, which puts that one back,
    draws the same numbers again.
    """
    for module in model.modules():
        if isinstance(module, SelfAttention):
            fork = _Fork(world.grid.tensor_rank, world.device)
            module.register_forward_pre_hook(fork.enter)
            module.register_forward_hook(fork.leave, always_call=True)


@dataclass(slots=True)
class _Fork:
    """Hooks of an attention module: swap torch's generators for this rank's own stream, and swap them back."""

    tensor_rank: int
    device: torch.device
    _kept: list[tuple[torch.Tensor, torch.Tensor | None]] = field(default_factory=list)

    def enter(self, module: nn.Module, inputs: object) -> None:
        del inputs
        if module.training:
            base = int(torch.empty((), dtype=torch.int64).random_())
            on_gpu = torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None
            self._kept.append((torch.get_rng_state(), on_gpu))
            seed_generators(_hashed(base, self.tensor_rank), self.device)

    def leave(self, module: nn.Module, inputs: object, outputs: object) -> None:
        del inputs, outputs
        if module.training and self._kept:
            on_cpu, on_gpu = self._kept.pop()
            torch.set_rng_state(on_cpu)
            if on_gpu is not None:
                torch.cuda.set_rng_state(on_gpu, self.device)


def _hashed(*numbers: int | str) -> int:
    digest = hashlib.sha256("/".join(str(number) for number in numbers).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1

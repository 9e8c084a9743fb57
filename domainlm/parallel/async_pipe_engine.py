"""The pipeline by fairscale's AsyncPipe: all forward passes, then all backward passes (Huang et al. 2019)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.distributed import rpc

from domainlm.parallel.stage_module import StageModule
from domainlm.parallel.world import World

_RPC_TIMEOUT_SECONDS = 1_800.0


class AsyncPipeEngine:
    """Messages go over torch's RPC, through the host's memory.

    AsyncPipe does not tell a stage which micro-batch it has before it: its number travels behind the hidden states.

    Args:
        stage: of this rank.
        world: the grid.
    """

    def __init__(self, stage: StageModule, world: World) -> None:
        from fairscale.nn.pipe.async_pipe import AsyncPipe

        degree = world.grid.pipeline_degree
        _start_rpc(world)
        called = _Called(stage)
        lazy = [_Lazy(called) for _ in range(degree)]
        self._stage = stage
        self._pipe: Any = AsyncPipe(
            lazy,
            balance=[1] * degree,
            group=world.group("pipeline"),
            worker_map={rank: _name(rank) for rank in range(world.size)},
            input_device=world.device,
            checkpoint="never",
        )

    def run(self, num_micro_batches: int) -> None:
        """Run a step."""
        self._pipe.chunks = num_micro_batches
        self._pipe.train()
        output = self._pipe(torch.arange(num_micro_batches))
        if self._stage.is_last:
            torch.autograd.backward(output.sum())
        else:
            self._pipe.back_helper(output)

    def close(self) -> None:
        """Wait for all ranks, and end the RPC."""
        rpc.shutdown()


class _Lazy:
    """AsyncPipe takes modules or functions that make them, calls the one of its own stage, and refuses one twice."""

    def __init__(self, called: nn.Module) -> None:
        self._called = called

    def __call__(self) -> nn.Module:
        return self._called


class _Called(nn.Module):
    """A stage as AsyncPipe calls it: numbers of micro-batches come in, losses come out."""

    def __init__(self, stage: StageModule) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, received: torch.Tensor) -> torch.Tensor:
        index = int(received[-1])
        result = self.stage.run(index, None if self.stage.is_first else received[:-1])
        return result if self.stage.is_last else torch.cat([result.float(), result.new_tensor([index]).float()])


def _name(rank: int) -> str:
    return f"rank-{rank}"


def _start_rpc(world: World) -> None:
    options = rpc.TensorPipeRpcBackendOptions(
        init_method=world.rpc_rendezvous, rpc_timeout=_RPC_TIMEOUT_SECONDS, num_worker_threads=2
    )
    start: Any = rpc.init_rpc  # torch has no types for it
    start(_name(world.rank), rank=world.rank, world_size=world.size, rpc_backend_options=options)

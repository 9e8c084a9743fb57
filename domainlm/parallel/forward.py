"""A divided model outside of training, called like a whole one: every rank calls it, every rank gets the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import distributed, nn

from domainlm.model.encoder import EncoderInputs
from domainlm.parallel.replica import Replica

_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool)
_MAX_DIMS = 6


class _PassedOn(Exception):  # noqa: N818 - no error: it leaves the heads out on ranks that do not have them
    """The hidden states went to the next stage."""


class WholeForward(nn.Module):
    """Calls `module(...)` of a model whose encoder and heads are on several ranks.

    All ranks of a replica call it with the same arguments. The last stage runs the model's own `forward`, with the
    hidden states in place of what its encoder would compute, and passes the result to the others. Replicas do not talk.

    Args:
        replica: this rank's stages.
        before: called before each call, on all ranks of the world.
    """

    def __init__(self, replica: Replica, before: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._before = before
        self._replica = [replica]  # in a list, so that it is no sub-module
        self._module = replica.held.module

    def train(self, mode: bool = True) -> WholeForward:
        """Set the mode of this rank's part."""
        self.training = mode
        self._module.train(mode)
        return self

    def forward(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the model takes and gives
        """What the whole model gives."""
        if self._before is not None:
            self._before()
        encoder: Any = self._module.get_submodule("encoder")
        encoder.forward = self._encode
        try:
            output = self._module(*arguments, **named)
        except _PassedOn:
            output = None
        finally:
            del encoder.forward
        if self._replica[0].world.grid.pipeline_degree == 1:
            return output
        is_tuple, parts = isinstance(output, tuple), list(output) if isinstance(output, tuple) else [output]
        facts = self._spread(torch.tensor([is_tuple, len(parts)]), (2,), torch.int64)
        parts = parts if self._has_heads else [None] * int(facts[1])
        shared = [self._spread_any(part) for part in parts]
        return tuple(shared) if bool(facts[0]) else shared[0]

    @property
    def _has_heads(self) -> bool:
        return self._replica[0].stages[-1].is_last

    def _encode(self, *arguments: Any) -> torch.Tensor:  # noqa: ANN401 - as `EncoderInputs`
        """The encoder's hidden states; on the ranks without heads nothing, they leave the model's `forward`."""
        inputs = EncoderInputs(*arguments)
        replica = self._replica[0]
        grid, stages = replica.world.grid, {stage.stage: stage for stage in replica.stages}
        states: torch.Tensor | None = None
        for number in range(replica.held.division.num_stages):
            stage = stages.get(number)
            if stage is None:
                continue
            if number and number - 1 not in stages:
                states = self._empty(inputs, stage.hidden)
                distributed.recv(states, grid.pipeline_group[(number - 1) % grid.pipeline_degree], self._group)
            states = stage.encode(inputs, states)
            if not stage.is_last and number + 1 not in stages:
                following = grid.pipeline_group[(number + 1) % grid.pipeline_degree]
                distributed.send(states.float().contiguous(), following, self._group)
        if not self._has_heads:
            raise _PassedOn
        assert states is not None
        return states

    @property
    def _group(self) -> Any:  # noqa: ANN401 - torch.distributed's
        return self._replica[0].world.group("pipeline")

    def _empty(self, inputs: EncoderInputs, hidden: int) -> torch.Tensor:
        return torch.empty((*inputs.tokens.shape, hidden), device=self._replica[0].world.device)

    def _spread(self, tensor: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """The last stage's tensor, on all stages."""
        world = self._replica[0].world
        sent = tensor if self._has_heads else torch.empty(shape, dtype=dtype)
        sent = sent.to(world.device).contiguous()
        distributed.broadcast(sent, world.grid.pipeline_group[-1], group=self._group)
        return sent

    def _spread_any(self, tensor: torch.Tensor | None) -> torch.Tensor | None:
        """The last stage's tensor or None, on all stages, which do not know its shape."""
        header = torch.full((_MAX_DIMS + 2,), -1)
        if tensor is not None:
            header[0], header[1] = _DTYPES.index(tensor.dtype), tensor.ndim
            header[2 : 2 + tensor.ndim] = torch.tensor(tensor.shape)
        facts = self._spread(header, tuple(header.shape), torch.int64).tolist()
        if facts[0] < 0:
            return None
        empty = torch.empty(0) if tensor is None else tensor
        return self._spread(empty, tuple(facts[2 : 2 + facts[1]]), _DTYPES[facts[0]])

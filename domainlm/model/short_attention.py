"""Attention within samples by `domainlm.model.triton_attention`, as operators that torch.compile takes in.

Imported where Triton is installed and a GPU wants them, which `domainlm.model.triton_kernels` says.

N = tokens of all samples, laid end to end; D = width of a head.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch.library import triton_op, wrap_triton

from domainlm.model.triton_attention import attention_backward_of_keys, attention_backward_of_queries, attention_forward

_NUM_DRAWN = 2**32


class Blocks(NamedTuple):
    """How a kernel divides its work: the fastest of eight or nine for heads of 64.

    Attributes:
        queries: at once.
        keys: at once.
        warps: of a program.
        stages: loads that are under way at once.
    """

    queries: int
    keys: int
    warps: int
    stages: int


_FORWARD = Blocks(64, 64, 4, 3)
_BACKWARD_OF_QUERIES = Blocks(64, 64, 4, 3)
_BACKWARD_OF_KEYS = Blocks(64, 64, 4, 1)


def short_attention(joint: torch.Tensor, bounds: torch.Tensor, max_tokens: int, dropout: float) -> torch.Tensor:
    """softmax(query key^T / sqrt(D)) value inside of each sample.

    Args:
        joint: query, key and value of each head, half precision [N, heads, 3, D].
        bounds: `Visible.bounds`.
        max_tokens: at least the longest sample.
        dropout: on the softmax.

    Returns:
        [N, heads, D].
    """
    attended: torch.Tensor = _attended(joint.contiguous(), bounds, max_tokens, dropout)[0]
    return attended


@triton_op("domainlm::short_attention", mutates_args=())
def _attended(
    joint: torch.Tensor, bounds: torch.Tensor, max_tokens: int, dropout: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What was attended to; the logarithms to base 2 of the softmax's sums [heads, N]; the seeds of the dropout [2]."""
    if dropout > 0.0:
        seeds = torch.randint(2**31 - 1, (2,), dtype=torch.int32, device=joint.device)
    else:  # nobody reads them: what others draw stays as it is
        seeds = torch.zeros(2, dtype=torch.int32, device=joint.device)
    attended, sums = run_forward(joint, bounds, seeds, max_tokens, dropout)
    return attended, sums, seeds


@triton_op("domainlm::short_attention_backward", mutates_args=())
def _gradient(
    gradient: torch.Tensor,
    joint: torch.Tensor,
    attended: torch.Tensor,
    sums: torch.Tensor,
    seeds: torch.Tensor,
    bounds: torch.Tensor,
    max_tokens: int,
    dropout: float,
) -> torch.Tensor:
    """The gradient by query, key and value, as `joint`, from that by what was attended to; the same bytes each time."""
    joint_gradient, inner = torch.empty_like(joint), torch.empty_like(sums)
    gradient = gradient.contiguous()
    of_queries, of_keys = _BACKWARD_OF_QUERIES, _BACKWARD_OF_KEYS
    tensors = (joint, bounds, seeds, attended, sums, gradient, inner, joint_gradient)
    _launch(attention_backward_of_queries, of_queries.queries, of_queries, tensors, max_tokens, dropout)
    tensors_of_keys = (joint, bounds, seeds, sums, gradient, inner, joint_gradient)
    _launch(attention_backward_of_keys, of_keys.keys, of_keys, tensors_of_keys, max_tokens, dropout)
    return joint_gradient


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:  # noqa: ANN401 - torch's
    joint, bounds, *ctx.rest = inputs
    ctx.save_for_backward(joint, *output, bounds)


def _go_back(ctx: Any, gradient: torch.Tensor, *_: object) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401 - as above
    return _gradient(gradient, *ctx.saved_tensors, *ctx.rest), None, None, None


_attended.register_autograd(_go_back, setup_context=_keep)


def run_forward(
    joint: torch.Tensor, bounds: torch.Tensor, seeds: torch.Tensor, max_tokens: int, dropout: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Launch the kernel of the forward pass; where Triton interprets, on a CPU too.

    Args:
        joint: contiguous [N, heads, 3, D].
        bounds: `Visible.bounds`.
        seeds: of the dropout, int32 [2].
        max_tokens: at least the longest sample.
        dropout: on the softmax.

    Returns:
        What was attended to [N, heads, D]; the logarithms to base 2 of the softmax's sums, fp32 [heads, N].
    """
    num_tokens, heads, _, width = joint.shape
    attended = joint.new_empty((num_tokens, heads, width))
    sums = joint.new_empty((heads, num_tokens), dtype=torch.float32)
    _launch(attention_forward, _FORWARD.queries, _FORWARD, (joint, bounds, seeds, attended, sums), max_tokens, dropout)
    return attended, sums


def _launch(
    kernel: Any,  # noqa: ANN401 - Triton has no types
    size: int,
    blocks: Blocks,
    tensors: tuple[torch.Tensor, ...],
    max_tokens: int,
    dropout: float,
) -> None:
    """Run a kernel on each block of `size` tokens of each head of each sample; `tensors` begin with joint, bounds."""
    joint, bounds, *_ = tensors
    num_tokens, heads, _, width = joint.shape
    num_blocks = -(-max_tokens // size)
    wrap_triton(kernel)[(num_blocks * heads * (bounds.shape[0] - 1),)](  # len() would fix the number of samples
        *tensors,
        num_tokens,
        num_blocks,
        HEADS=heads,
        WIDTH=width,
        SCALE=1.0 / math.sqrt(width),
        THRESHOLD=int(dropout * _NUM_DRAWN),
        QUERIES=blocks.queries,
        KEYS=blocks.keys,
        num_warps=blocks.warps,
        num_stages=blocks.stages,
    )

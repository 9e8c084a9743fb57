"""Flash attention (Dao 2023) within samples of unlike lengths, as one operator that torch.compile does not look into.

torch's own `varlen_attn` has no dropout, and its jagged tensors took 9.7 ms for a forward and backward pass of 64 x 512
tokens with 16 heads of 64, nearly all of it Python: dense rows took 2.1 (an H200). So this calls what is below both.

N = tokens of all samples, laid end to end; D = width of a head.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional

from domainlm.model.visible import mask_of_bounds

_WIDTH_MULTIPLE = 8
"""Widths of a head that the kernels take."""


def flash_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, max_tokens: int, dropout: float
) -> torch.Tensor:
    """softmax(query key^T / sqrt(D)) value inside of each sample; half precision on a GPU.

    Args:
        query: [N, heads, D], with a stride of 1 in the last dimension, as the others.
        key: [N, heads, D].
        value: [N, heads, D].
        bounds: `Visible.bounds`.
        max_tokens: at least the longest sample.
        dropout: on the softmax; 0 outside of a GPU.

    Returns:
        [N, heads, D].
    """
    width = query.shape[-1]
    scale = 1.0 / math.sqrt(width)
    if width % _WIDTH_MULTIPLE:
        query, key, value = (functional.pad(each, (0, -width % _WIDTH_MULTIPLE)) for each in (query, key, value))
    attended: torch.Tensor = _attended(query, key, value, bounds, max_tokens, dropout, scale)[0]
    return attended[..., :width]


@torch.library.custom_op(
    "domainlm::flash_attention", mutates_args=(), device_types="cuda", tags=(torch.Tag.nondeterministic_seeded,)
)
def _attended(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    max_tokens: int,
    dropout: float,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What was attended to; the logarithms of the softmax's sums [heads, N]; what the dropout began with [2]."""
    attended, sums, random_state, _, _ = torch.ops.aten._flash_attention_forward(  # noqa: SLF001 - see above
        query, key, value, bounds, bounds, max_tokens, max_tokens, dropout, False, False, scale=scale
    )
    return attended.contiguous(), sums.contiguous(), random_state.clone()


@torch.library.custom_op("domainlm::flash_attention_backward", mutates_args=(), device_types="cuda")
def _gradients(
    gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attended: torch.Tensor,
    sums: torch.Tensor,
    random_state: torch.Tensor,
    bounds: torch.Tensor,
    max_tokens: int,
    dropout: float,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The gradients by query, key and value; the same bytes each time where torch is told so."""
    unused = torch.empty((), dtype=torch.uint64, device=query.device)
    found = torch.ops.aten._flash_attention_backward(  # noqa: SLF001 - see above
        gradient.contiguous(),
        query,
        key,
        value,
        attended,
        sums,
        bounds,
        bounds,
        max_tokens,
        max_tokens,
        dropout,
        False,
        random_state,
        unused,
        scale=scale,
    )
    d_query, d_key, d_value = (each.contiguous() for each in found)
    return d_query, d_key, d_value


@_attended.register_fake
def _(query: torch.Tensor, *_: object) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    sums = query.new_empty((query.shape[1], query.shape[0]), dtype=torch.float32)
    return query.new_empty(query.shape), sums, query.new_empty(2, dtype=torch.uint64)


@_gradients.register_fake
def _(
    gradient: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: object
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    del gradient
    return query.new_empty(query.shape), key.new_empty(key.shape), value.new_empty(value.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:  # noqa: ANN401 - torch's
    query, key, value, bounds, *ctx.rest = inputs
    ctx.save_for_backward(query, key, value, *output, bounds)


def _go_back(ctx: Any, gradient: torch.Tensor, *_: object) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401 - as above
    return (*_gradients(gradient, *ctx.saved_tensors, *ctx.rest), None, None, None, None)


_attended.register_autograd(_go_back, setup_context=_keep)


def _weights(query: torch.Tensor, key: torch.Tensor, bounds: torch.Tensor, scale: float) -> torch.Tensor:
    """The softmax in plain products, fp32 [heads, N, N]."""
    scores = torch.einsum("nhd,mhd->hnm", query.float(), key.float()) * scale
    return torch.softmax(scores + mask_of_bounds(bounds, 1, len(query))[0], dim=-1)


@_attended.register_kernel("cpu")
def _(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    max_tokens: int,
    dropout: float,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same mathematics in plain products, to check by; nothing asks for it in training."""
    del max_tokens
    if dropout:
        raise ValueError("the plain products have no dropout")
    attended = torch.einsum("hnm,mhd->nhd", _weights(query, key, bounds, scale), value.float()).to(value.dtype)
    sums = query.new_zeros((query.shape[1], query.shape[0]), dtype=torch.float32)
    return attended.contiguous(), sums, query.new_zeros(2, dtype=torch.uint64)


@_gradients.register_kernel("cpu")
def _(
    gradient: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *rest: Any,  # noqa: ANN401 - the operator's other arguments, of several types
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    *_, bounds, _, _, scale = rest
    weights, gradient = _weights(query, key, bounds, scale), gradient.float()
    d_weights = torch.einsum("nhd,mhd->hnm", gradient, value.float())
    d_scores = weights * (d_weights - (d_weights * weights).sum(dim=-1, keepdim=True)) * scale
    d_query = torch.einsum("hnm,mhd->nhd", d_scores, key.float())
    d_key = torch.einsum("hnm,nhd->mhd", d_scores, query.float())
    d_value = torch.einsum("hnm,nhd->mhd", weights, gradient)
    found = (each.to(query.dtype).contiguous() for each in (d_query, d_key, d_value))
    return next(found), next(found), next(found)

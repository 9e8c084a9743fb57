"""Scaled dot-product attention (Vaswani et al. 2017, equation 1), computed as suits the device and the length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from domainlm.model.dropout import draw_keep_bits, keep
from domainlm.model.flash import flash_attention
from domainlm.model.precision import lowered
from domainlm.model.visible import Block, Run, Visible, block_width, mask_of_bounds

_SCORES_BYTES_AT_ONCE = 2**21
"""Plain products go through the batch in steps whose scores stay in a core's cache."""
_MAX_FLASH_WIDTH = 256
"""Of a head: what FlashAttention-2 has kernels for."""
_MAX_PLAIN_TOKENS = 1024
"""In training without dropout on a CPU with AMX, bfloat16, 4 heads of 64, CPU milliseconds of a forward and backward
pass over 8,192 tokens, plain products against scaled_dot_product_attention: 38 / 97 at 128 tokens, 90 / 113 at 512,
166 / 174 at 1,024, 333 / 332 at 2,048. In fp32 the latter is as fast at 128 and faster above (180 / 140 at 512). With
dropout it has no kernel of its own there: 48 / 113 at 128 and 504 / 1,523 at 2,048; fp32 82 / 118 and 1,106 / 1,396.
Where no backward pass follows it was always the faster one there.
"""
_MAX_PLAIN_TOKENS_IN_PREDICTION = 128
"""Without a backward pass on a CPU with avx512_bf16 but no AMX, bfloat16, 2 threads, milliseconds over 2,048 tokens,
plain products against scaled_dot_product_attention: 12 heads of 32 1.1 / 2.1 at 32 tokens, 1.4 / 3.0 at 64, 3.3 / 5.5
at 128, 8.1 / 7.6 at 256; 12 heads of 64 1.5 / 3.1, 2.0 / 4.9, 3.5 / 8.2, 5.7 / 11.8.
"""
MAX_SHORT_TOKENS = {32: 512, 64: 2048, 128: 512}
"""Slots of a row up to which `domainlm.model.short_attention` attends, by the width of a head.

On an H200, bfloat16, milliseconds of a forward and a backward pass over 16,384 tokens with dropout, the same bytes each
time, against `domainlm.model.flash` (FlashAttention-2 of torch 2.11): 16 heads of 64 by 512 tokens 0.22 + 0.48 against
0.24 + 0.60; by 128, 0.12 + 0.22 against 0.15 + 0.36; by 20 to 400, 0.15 + 0.35 against 0.23 + 0.59; by 2,048, 0.63 +
1.60 against 0.77 + 1.82. 16 heads of 128 by 512, 0.30 + 1.04 against 0.43 + 1.02; 12 of 32, 0.19 + 0.32 against 0.19 +
0.37.
"""


def attend_jointly(joint: torch.Tensor, visible: Visible, dropout: float) -> torch.Tensor:
    """`attend` for query, key and value of each head as one projection gives them.

    Args:
        joint: [batch, tokens, heads, 3, width].
        visible: to each token.
        dropout: 0.0 outside training.

    Returns:
        [batch, tokens, heads, width], of whatever strides.
    """
    batch, tokens, heads, _, width = joint.shape
    if visible.bounds is not None and visible.has_short and tokens <= MAX_SHORT_TOKENS.get(width, 0):
        from domainlm.model.short_attention import short_attention  # needs Triton, which CPUs do not have

        ends = lowered(joint).flatten(0, 1)
        return short_attention(ends, visible.bounds, tokens, dropout).view(batch, tokens, heads, width)
    if visible.runs:
        return _attend_by_runs(joint, visible.runs)
    query, key, value = joint.permute(3, 0, 2, 1, 4)
    return attend(query, key, value, visible, dropout).transpose(1, 2)


def _attend_by_runs(joint: torch.Tensor, runs: Sequence[Run]) -> torch.Tensor:
    """`attend_jointly` where nothing is trained: samples of one length at once, padding gives zeros.

    Not by plain products, for which oneDNN makes kernels for each number and length of samples: in bf16 tagging took
    7 % longer with them.
    """
    batch, tokens, heads, _, width = joint.shape
    flat = lowered(joint).flatten(0, 1)
    attended = flat.new_empty(len(flat), heads, width)
    done = 0
    for run in runs:
        samples = slice(run.start, run.end)
        num, length = run.num_samples, run.length
        query, key, value = flat[samples].view(num, length, heads, 3, width).permute(3, 0, 2, 1, 4)
        found = functional.scaled_dot_product_attention(query, key, value)
        attended[samples].view(num, length, heads, width).copy_(found.transpose(1, 2))
        attended[done : run.start].zero_()
        done = run.end
    attended[done:].zero_()
    return attended.view(batch, tokens, heads, width)


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, visible: Visible, dropout: float
) -> torch.Tensor:
    """softmax(query key^T / sqrt(width)) value over what is visible, with dropout on the softmax.

    Args:
        query: [batch, heads, tokens, width].
        key: [batch, heads, tokens, width].
        value: [batch, heads, tokens, width].
        visible: to each token.
        dropout: 0.0 outside training.

    Returns:
        [batch, heads, tokens, width], of whatever strides.
    """
    query, key, value = lowered(query), lowered(key), lowered(value)
    mask = visible.mask
    if visible.bounds is not None:
        if query.shape[3] <= _MAX_FLASH_WIDTH:
            return _attend_within(query, key, value, visible.bounds, dropout)
        mask = mask_of_bounds(visible.bounds, query.shape[0], query.shape[2])
    mask = None if mask is None else mask.to(query.dtype)
    if _prefers_plain_products(query, dropout):
        inputs = query, key, value, mask, visible.blocks, dropout
        attended: torch.Tensor = _PlainAttention.apply(*inputs)  # type: ignore[no-untyped-call]
        return attended
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)


def _attend_within(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, dropout: float
) -> torch.Tensor:
    """Attention inside of each sample, all rows laid end to end."""
    batch, heads, tokens, width = query.shape
    ends = [rows.transpose(1, 2).reshape(batch * tokens, heads, width) for rows in (query, key, value)]
    attended = flash_attention(ends[0], ends[1], ends[2], bounds, tokens, dropout)
    return attended.view(batch, tokens, heads, width).transpose(1, 2)


def _prefers_plain_products(query: torch.Tensor, dropout: float) -> bool:
    kind, dtype, num_tokens = query.device.type, query.dtype, query.shape[2]
    # Activations that are not kept are computed without gradients first: with dropout it must be the same way then.
    if dropout > 0.0 or (torch.is_grad_enabled() and query.requires_grad):
        return trains_by_plain_products(kind, dtype, num_tokens, dropout)
    return predicts_by_plain_products(kind, dtype, num_tokens)


def trains_by_plain_products(device_type: str, dtype: torch.dtype, num_tokens: int, dropout: float) -> bool:
    """Whether attention with a backward pass runs as plain products, not as scaled_dot_product_attention.

    Args:
        device_type: "cpu" or "cuda".
        dtype: that its products compute in.
        num_tokens: slots of a row.
        dropout: of the softmax.
    """
    if device_type != "cpu":
        return False
    return dropout > 0.0 or (dtype == torch.bfloat16 and num_tokens <= _MAX_PLAIN_TOKENS)


def predicts_by_plain_products(device_type: str, dtype: torch.dtype, num_tokens: int) -> bool:
    """The same where no backward pass follows and so no dropout; the arguments are those of training."""
    is_narrow = device_type == "cpu" and dtype == torch.bfloat16
    return is_narrow and num_tokens <= _MAX_PLAIN_TOKENS_IN_PREDICTION and not _has_tiles()


@lru_cache(maxsize=1)
def _has_tiles() -> bool:
    """Whether the CPU has AMX; what torch does not tell, it has not."""
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_tile", False))


class _Piece(NamedTuple):
    """Slots that are computed at once.

    Attributes:
        rows: of the batch.
        slots: of each of these rows.
        mask: added to their scores; None where nothing is hidden, or all that is not wanted.
        wanted: those of the slots, counted from the first, that attend to one another; the others are of no use.
    """

    rows: slice
    slots: slice
    mask: torch.Tensor | None
    wanted: slice = slice(None)

    def of(self, states: torch.Tensor) -> torch.Tensor:
        """Its part of [batch, heads, tokens, width]."""
        return states[self.rows, :, self.slots]

    def hide(self, scores: torch.Tensor) -> None:
        """Set the scores of what is hidden to minus infinity."""
        if self.mask is not None:
            scores += self.mask
        elif self.wanted != slice(None):
            scores[..., : self.wanted.start].fill_(-math.inf)
            scores[..., self.wanted.stop :].fill_(-math.inf)

    def wanted_of(self, states: torch.Tensor) -> torch.Tensor:
        """The same, with zeros for what is of no use."""
        part = self.of(states)
        if self.wanted == slice(None):
            return part
        zeros = torch.zeros_like(part)
        zeros[:, :, self.wanted] = part[:, :, self.wanted]
        return zeros

    def put_product(self, left: torch.Tensor, right: torch.Tensor, states: torch.Tensor) -> None:
        """Write the wanted part of a product into its part of the states."""
        if self.wanted == slice(None):
            torch.matmul(left, right, out=self.of(states))
        else:
            self.of(states)[:, :, self.wanted] = torch.matmul(left, right)[:, :, self.wanted]


def _pieces(query: torch.Tensor, mask: torch.Tensor | None, blocks: Sequence[Block]) -> list[_Piece]:
    """The blocks, where there are any; else all slots of as many rows as leave their scores in a core's cache."""
    if blocks:
        assert mask is not None
        return [_piece_of(block, mask) for block in blocks]
    batch, heads, tokens, _ = query.shape
    size = max(1, _SCORES_BYTES_AT_ONCE // (heads * tokens * tokens * query.element_size()))
    rows = (slice(start, start + size) for start in range(0, batch, size))
    return [_Piece(each, slice(None), None if mask is None else mask[each]) for each in rows]


def _piece_of(block: Block, mask: torch.Tensor) -> _Piece:
    """A block with some of its neighbours, which the mask hides: so that products have few shapes."""
    num_slots = min(block_width(block.end - block.start), mask.shape[-1])
    start = min(block.start, mask.shape[-1] - num_slots)
    row, slots = slice(block.row, block.row + 1), slice(start, start + num_slots)
    wanted = slice(block.start - start, block.end - start)
    return _Piece(row, slots, None if block.is_one_sample else mask[row, :, slots, slots], wanted)


class _PlainAttention(torch.autograd.Function):
    """Batched matrix products and a softmax, piece by piece.

    The two constant factors go to the query and the value, which are copied anyway and smaller than the scores.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch names no public type
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        blocks: Sequence[Block],
        dropout: float,
    ) -> torch.Tensor:
        ctx.query_factor, ctx.value_factor = 1.0 / math.sqrt(query.shape[-1]), 1.0 / (1.0 - dropout)
        query, key, value = _scaled(query, ctx.query_factor), key.contiguous(), _scaled(value, ctx.value_factor)
        # Padding is in no block.
        ctx.pieces, ctx.make = _pieces(query, mask, blocks), torch.zeros_like if blocks else torch.empty_like
        attended: torch.Tensor = ctx.make(query)
        weights, keep_bits = [], []
        for piece in ctx.pieces:
            scores = torch.matmul(piece.of(query), piece.of(key).transpose(-1, -2))
            piece.hide(scores)
            weights.append(torch.softmax(scores, dim=-1))
            if dropout > 0.0:
                keep_bits.append(draw_keep_bits(scores.shape, dropout))
            piece.put_product(_kept(weights[-1], keep_bits), piece.of(value), attended)
        ctx.save_for_backward(query, key, value, *weights, *keep_bits)
        return attended

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        query, key, value, *saved = ctx.saved_tensors
        d_attended = gradients[0].contiguous()
        d_query, d_key, d_value = ctx.make(query), ctx.make(key), ctx.make(value)
        for index, piece in enumerate(ctx.pieces):
            weights, keep_bits = saved[index], saved[len(ctx.pieces) + index :][:1]
            d_piece = piece.wanted_of(d_attended)
            piece.put_product(_kept(weights, keep_bits).transpose(-1, -2), d_piece, d_value)
            d_weights = _kept(torch.matmul(d_piece, piece.of(value).transpose(-1, -2)), keep_bits)
            d_scores = torch.ops.aten._softmax_backward_data(d_weights, weights, -1, weights.dtype)  # noqa: SLF001
            piece.put_product(d_scores, piece.of(key), d_query)
            piece.put_product(d_scores.transpose(-1, -2), piece.of(query), d_key)
        return d_query.mul_(ctx.query_factor), d_key, d_value.mul_(ctx.value_factor), None, None, None


def _scaled(tensor: torch.Tensor, factor: float) -> torch.Tensor:
    """The product, in the order of the dimensions in memory."""
    return torch.mul(tensor, factor, out=torch.empty(tensor.shape, dtype=tensor.dtype))


def _kept(weights: torch.Tensor, keep_bits: Sequence[torch.Tensor]) -> torch.Tensor:
    """The weights after dropout by the last of the bits; themselves where there are none."""
    return keep(weights, keep_bits[-1]) if keep_bits else weights

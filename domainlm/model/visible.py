"""What a token may attend to: the real tokens of its own sample, said in the form that the device's kernels take.

B = batch, T = tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch.nn import functional

from domainlm.model.precision import lowered
from domainlm.model.triton_kernels import has_kernels

_HALF = (torch.float16, torch.bfloat16)
_FLASH_CAPABILITY = (8, 0)
"""Ampere: what torch's flash attention needs (`torch.nn.attention.SDPBackend.FLASH_ATTENTION`)."""


_MAX_PAIRS_JOINED = 16_384
"""Pairs of tokens whose scores cost less than a block of its own; it pays where it saves some 14,000 of them.

Milliseconds of a forward and backward pass of attention on two cores with avx512_bf16, in bfloat16, 12 heads of 32,
with dropout, by mask / by blocks: 20 rows of 128 with samples of about 78 tokens 22 / 28; 10 rows of 256 with 60
33 / 33, with 100 36 / 31; 5 rows of 512 with 60 86 / 42, with 210 81 / 30; 2 rows of 1,024 with 200 175 / 29.
"""
_BLOCK_MULTIPLE = 16
"""Slots that blocks are computed in multiples of. For every other width oneDNN makes kernels that it never gives up:
samples of 60 to 440 sub-tokens took 530 MB more in their own widths (torch 2.13, 12 heads of 32).
"""


class Block(NamedTuple):
    """Neighbouring slots that see nothing outside of themselves: a sample, or several short ones.

    Attributes:
        row: of the batch.
        start: first slot.
        end: one after the last.
        is_one_sample: then every slot sees all the others.
    """

    row: int
    start: int
    end: int
    is_one_sample: bool


class Run(NamedTuple):
    """Samples of one length without anything between them.

    Attributes:
        start: first slot, all rows laid end to end.
        num_samples: how many.
        length: of each.
    """

    start: int
    num_samples: int
    length: int

    @property
    def end(self) -> int:
        """One after the last slot."""
        return self.start + self.num_samples * self.length


class Visible(NamedTuple):
    """Mask, bounds or runs, or none of them where every token sees its whole row.

    Attributes:
        mask: added to the attention scores: 0, or minus infinity for what is hidden [B, 1, 1 or T, T].
        bounds: where samples begin when all rows are laid end to end, and where the last ends: int32 [S + 1], from 0 to
            B * T, ascending. Padding counts as samples of its own; some samples may be empty.
        has_short: whether `domainlm.model.short_attention` runs on the device, where there are bounds.
        blocks: on a CPU, what the mask shows and hides, where that is worth attending to block by block; slots outside
            of blocks are padding. May be left out.
        runs: on a CPU, in place of a mask, all samples in their order; other slots are padding.
    """

    mask: torch.Tensor | None = None
    bounds: torch.Tensor | None = None
    has_short: bool = False
    blocks: tuple[Block, ...] = ()
    runs: tuple[Run, ...] = ()


def what_is_visible(
    lengths: torch.Tensor,
    num_tokens: int,
    dtype: torch.dtype,
    samples: torch.Tensor | None = None,
    firsts: torch.Tensor | None = None,
) -> Visible:
    """Bounds where flash attention runs, which has no use for a mask; a mask elsewhere. No GPU is waited for.

    Args:
        lengths: real tokens of each row, which come first [B].
        num_tokens: T.
        dtype: of the weights; under autocast that of its products counts.
        samples: which sample of its row a token belongs to [B, T]; None where a row is one sample. May be left out
            where nothing is trained.
        firsts: row * T + slot of each sample's first token [S]; None where a row is one sample.
    """
    if has_flash_attention(lengths.device, dtype) and (samples is None or firsts is not None):
        bounds = sample_bounds(lengths, num_tokens, firsts)
        return Visible(bounds=bounds, has_short=has_kernels(lengths.device))
    if samples is None and firsts is None:
        return Visible(mask=padding_mask(lengths, num_tokens))
    if samples is None:
        assert firsts is not None
        if lengths.device.type == "cpu":
            return Visible(runs=sample_runs(lengths, num_tokens, firsts))
        return Visible(mask=mask_of_bounds(sample_bounds(lengths, num_tokens, firsts), len(lengths), num_tokens))
    blocks = () if firsts is None or lengths.device.type != "cpu" else sample_blocks(lengths, num_tokens, firsts)
    return Visible(mask=sample_mask(lengths, samples), blocks=blocks)


def has_flash_attention(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the device runs `domainlm.model.flash` on such weights; under autocast the format of products counts."""
    if device.type != "cuda" or torch.version.cuda is None:  # AMD's GPUs are "cuda" too; their operators differ
        return False
    if torch.cuda.get_device_capability(device) < _FLASH_CAPABILITY:
        return False
    return (torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else dtype) in _HALF


def sample_bounds(lengths: torch.Tensor, num_tokens: int, firsts: torch.Tensor | None = None) -> torch.Tensor:
    """`Visible.bounds`; arguments as of `what_is_visible`."""
    rows = torch.arange(0, len(lengths) * num_tokens, num_tokens, device=lengths.device)
    begins = torch.cat([rows if firsts is None else firsts, rows + lengths]).sort().values
    return functional.pad(begins, (0, 1), value=len(lengths) * num_tokens).int()


def sample_blocks(lengths: torch.Tensor, num_tokens: int, firsts: torch.Tensor) -> tuple[Block, ...]:
    """`Visible.blocks` of rows that are on the CPU; none where whole rows cost less. Arguments as of `what_is_visible`.

    Short neighbours share a block: each block has its own products, however small they are.
    """
    blocks: list[Block] = []
    for first, after in _samples(lengths, num_tokens, firsts):
        row, start = divmod(first, num_tokens)
        end = after - row * num_tokens
        last = blocks[-1] if blocks else None
        if last and last.row == row and 2 * (last.end - last.start) * (end - start) <= _MAX_PAIRS_JOINED:
            blocks[-1] = Block(row, last.start, end, is_one_sample=False)
        else:
            blocks.append(Block(row, start, end, is_one_sample=True))
    num_pairs = sum(block_width(block.end - block.start) ** 2 for block in blocks)
    saved = len(lengths) * num_tokens**2 - num_pairs
    return tuple(blocks) if saved > len(blocks) * _MAX_PAIRS_JOINED else ()


def block_width(num_slots: int) -> int:
    """Slots that a block is computed in, where its row has as many."""
    return -(-num_slots // _BLOCK_MULTIPLE) * _BLOCK_MULTIPLE


def sample_runs(lengths: torch.Tensor, num_tokens: int, firsts: torch.Tensor) -> tuple[Run, ...]:
    """`Visible.runs` of rows that are on the CPU; arguments as of `what_is_visible`."""
    runs: list[Run] = []
    for first, after in _samples(lengths, num_tokens, firsts):
        last = runs[-1] if runs else None
        if last and last.end == first and last.length == after - first:
            runs[-1] = last._replace(num_samples=last.num_samples + 1)
        else:
            runs.append(Run(first, 1, after - first))
    return tuple(runs)


def _samples(lengths: torch.Tensor, num_tokens: int, firsts: torch.Tensor) -> Iterator[tuple[int, int]]:
    """First slot of each sample and one after its last, all rows laid end to end."""
    ends = (torch.arange(len(lengths)) * num_tokens + lengths).tolist()
    for first, after in pairwise([*sorted(firsts.tolist()), len(lengths) * num_tokens]):
        yield first, min(after, ends[first // num_tokens])


def mask_of_bounds(bounds: torch.Tensor, num_rows: int, num_tokens: int) -> torch.Tensor:
    """`Visible.bounds` as a mask: 0 within a sample, minus infinity outside of it [B, 1, T, T]."""
    slots = torch.arange(num_rows * num_tokens, device=bounds.device)
    samples = torch.bucketize(slots, bounds[1:], right=True).view(num_rows, num_tokens)
    is_hidden = samples[:, :, None] != samples[:, None, :]
    mask = torch.zeros(is_hidden.shape, device=bounds.device).masked_fill_(is_hidden, -math.inf)
    return mask[:, None]


def padding_mask(lengths: torch.Tensor, num_tokens: int) -> torch.Tensor | None:
    """What hides the padding in attention scores: 0 or minus infinity [B, 1, 1, T]; None where there is no padding.

    Whether there is any is asked on the CPU only, since a GPU would have to be waited for.
    """
    if lengths.device.type == "cpu" and bool((lengths == num_tokens).all()):
        return None
    is_padding = torch.arange(num_tokens, device=lengths.device) >= lengths[:, None]
    mask = torch.zeros(is_padding.shape, device=lengths.device).masked_fill_(is_padding, -math.inf)
    return lowered(mask)[:, None, None, :]


def sample_mask(lengths: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
    """What hides the other samples of a row, and the padding: 0 or minus infinity [B, 1, T, T].

    A padding slot sees itself alone, so that its softmax stays finite.
    """
    slots = torch.arange(samples.shape[1], device=samples.device)
    groups = torch.where(slots < lengths[:, None], samples, -1 - slots)
    is_hidden = groups[:, :, None] != groups[:, None, :]
    mask = torch.zeros(is_hidden.shape, device=samples.device).masked_fill_(is_hidden, -math.inf)
    return lowered(mask)[:, None]

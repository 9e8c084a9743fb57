"""The softmax of a vocabulary as one Triton kernel, which writes gradients over scores; imported where Triton is.

In plain operations the scores go through memory in fp32 some ten times; here they are read twice and written once, in
their own format.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

_NUM_ENTRIES_AT_ONCE, _NUM_WARPS = 4096, 8
_LOG2_E = tl.constexpr(1.4426950408889634)
_LOWEST = tl.constexpr(-1e30)


@triton.jit(do_not_specialize=["vocabulary_size"])
def _scores_to_gradient(scores, bias, labels, losses, vocabulary_size, row_stride, ENTRIES: tl.constexpr):
    """One row: its loss, and its gradient in place of the scores."""
    row = tl.program_id(0)
    scores += row.to(tl.int64) * row_stride
    label = tl.load(labels + row)
    label_score = tl.load(scores + label).to(tl.float32) + tl.load(bias + label).to(tl.float32)
    highest = tl.full((ENTRIES,), _LOWEST, tl.float32)
    total = tl.zeros((ENTRIES,), tl.float32)
    for start in range(0, vocabulary_size, ENTRIES):
        entries = start + tl.arange(0, ENTRIES)
        are_entries = entries < vocabulary_size
        score = tl.load(scores + entries, mask=are_entries, other=_LOWEST).to(tl.float32)
        score += tl.load(bias + entries, mask=are_entries, other=0.0).to(tl.float32)
        higher = tl.maximum(highest, score)
        total = total * tl.exp2((highest - higher) * _LOG2_E) + tl.exp2((score - higher) * _LOG2_E)
        highest = higher
    top = tl.max(highest, 0)
    whole = tl.sum(total * tl.exp2((highest - top) * _LOG2_E), 0)
    for start in range(0, vocabulary_size, ENTRIES):
        entries = start + tl.arange(0, ENTRIES)
        are_entries = entries < vocabulary_size
        score = tl.load(scores + entries, mask=are_entries, other=_LOWEST).to(tl.float32)
        score += tl.load(bias + entries, mask=are_entries, other=0.0).to(tl.float32)
        gradient = tl.exp2((score - top) * _LOG2_E) / whole - (entries == label).to(tl.float32)
        tl.store(scores + entries, gradient.to(scores.dtype.element_ty), mask=are_entries)
    tl.store(losses + row, tl.log2(whole) / _LOG2_E + top - label_score)


def scores_to_gradient(
    scores: torch.Tensor, bias: torch.Tensor, labels: torch.Tensor, vocabulary_size: int
) -> torch.Tensor:
    """Replace scores by the gradient of the cross-entropy with respect to them: softmax minus one at the label.

    Args:
        scores: without the bias [num_rows, padded vocabulary]; columns beyond the vocabulary stay as they are.
        bias: [padded vocabulary].
        labels: below `vocabulary_size`, int64 [num_rows].
        vocabulary_size: columns that count.

    Returns:
        Cross-entropy of each row in nats, fp32 [num_rows].
    """
    losses = torch.empty(len(scores), dtype=torch.float32, device=scores.device)
    if len(scores):
        _scores_to_gradient[(len(scores),)](
            scores,
            bias,
            labels,
            losses,
            vocabulary_size,
            scores.stride(0),
            ENTRIES=_NUM_ENTRIES_AT_ONCE,
            num_warps=_NUM_WARPS,
        )
    return losses

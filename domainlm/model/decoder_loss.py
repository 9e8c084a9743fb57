"""Cross-entropy over the vocabulary without ever holding all the scores in fp32.

The decoder's product and the softmax are one function, which turns scores into the gradient with respect to them, in
fp32, and writes that over them in the number format of the product: a few rows at a time, or by a kernel where a GPU
has one.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch

from domainlm.model.precision import lowered
from domainlm.model.triton_kernels import has_kernels

_SCORES_BYTES_AT_ONCE, _SCORES_BYTES_AT_ONCE_ON_GPU = 2**23, 2**28
"""Of the softmax, which goes through its rows several times: on a CPU in a core's cache, on a GPU in few kernels (an
H200 took 95 ms less for a step of 345m with 16,384 sub-tokens, which had launched ten kernels for every 68 rows). The
product takes all rows at once where its scores are kept for the backward pass: it lays the weights out anew for each
call, so 608 rows of 384 with 30,528 entries took 43 CPU milliseconds by 68 rows, and 22 at once.
"""


class VocabularyShare(Protocol):
    """Which entries of the vocabulary are here, where several processes share it, and how their numbers are joined."""

    @property
    def start(self) -> int:
        """The first entry that is here."""

    def maximum(self, values: torch.Tensor) -> torch.Tensor:
        """The largest of each number over all shares; may overwrite `values`."""

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of each number over all shares; may overwrite `values`."""


class _DecoderLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch names no public type
        states: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        labels: torch.Tensor,
        vocabulary_size: int,
        share: VocabularyShare | None,
    ) -> torch.Tensor:
        if share is not None:  # entries that are here, and numbered from here
            vocabulary_size = min(max(vocabulary_size - share.start, 0), len(weight))
        narrow_states, narrow_weight = lowered(states), lowered(weight)
        keeps_gradient = any(ctx.needs_input_grad)
        d_scores = torch.mm(narrow_states[: len(states) if keeps_gradient else 0], narrow_weight.t())
        d_scores[:, vocabulary_size:] = 0.0
        if share is None and keeps_gradient and has_kernels(d_scores.device) and d_scores.dtype != torch.float32:
            loss, d_bias = _at_once(d_scores, bias, labels, vocabulary_size)
        else:
            kept = d_scores if keeps_gradient else None
            factors = narrow_states, narrow_weight
            loss, d_bias = _in_pieces(kept, factors, bias, labels, vocabulary_size, share)
        ctx.save_for_backward(narrow_states, narrow_weight, d_scores, d_bias)
        ctx.dtypes = states.dtype, weight.dtype
        ctx.share = share
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        states, weight, d_scores, d_bias = ctx.saved_tensors
        d_loss = gradients[0]
        # The scalar goes to the small factors, not to the scores.
        d_states = torch.mm(d_scores, weight).to(ctx.dtypes[0]) * d_loss
        d_weight = torch.mm(d_scores.t(), (states * d_loss).to(states.dtype)).to(ctx.dtypes[1])
        if ctx.share is not None:
            d_states = ctx.share.total(d_states)
        return d_states, d_weight, d_bias * d_loss, None, None, None


def _at_once(
    d_scores: torch.Tensor, bias: torch.Tensor, labels: torch.Tensor, vocabulary_size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss and its gradient by the bias; scores become their gradient by one kernel, which a GPU has."""
    from domainlm.model.triton_cross_entropy import scores_to_gradient  # needs Triton, which CPUs do not have

    loss = scores_to_gradient(d_scores, bias, labels, vocabulary_size).sum()
    d_bias = torch.zeros_like(bias)
    d_bias[:vocabulary_size] = d_scores[:, :vocabulary_size].sum(dim=0, dtype=torch.float32)
    return loss, d_bias


def _in_pieces(
    d_scores: torch.Tensor | None,
    factors: tuple[torch.Tensor, torch.Tensor],
    bias: torch.Tensor,
    labels: torch.Tensor,
    vocabulary_size: int,
    share: VocabularyShare | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same some rows at a time; without a gradient to keep, the products too are computed here."""
    states, weight = factors
    loss = torch.zeros((), dtype=torch.float32, device=states.device)
    d_bias = torch.zeros_like(bias)
    num_bytes = _SCORES_BYTES_AT_ONCE if states.device.type == "cpu" else _SCORES_BYTES_AT_ONCE_ON_GPU
    num_rows = max(1, num_bytes // (4 * len(weight)))
    for start in range(0, len(states), num_rows):
        rows = slice(start, start + num_rows)
        products = torch.mm(states[rows], weight.t()) if d_scores is None else d_scores[rows]
        scores = products[:, :vocabulary_size].float()  # in fp32 these are the products themselves
        scores.add_(bias[:vocabulary_size])
        if share is None:
            row_losses = _to_gradient(scores, labels[rows])
        else:
            row_losses = _to_shared_gradient(scores, labels[rows], share)
        loss += row_losses.sum()
        if d_scores is not None:
            d_scores[rows, :vocabulary_size] = scores
            d_bias[:vocabulary_size] += scores.sum(dim=0)
    return loss, d_bias


def _to_gradient(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Replace scores by the gradient of the loss with respect to them: softmax minus one at the label.

    Returns:
        Cross-entropy of each row, [num_rows, 1].
    """
    labels = labels[:, None]
    scores -= scores.amax(dim=1, keepdim=True)
    label_scores = scores.gather(1, labels)
    totals = scores.exp_().sum(dim=1, keepdim=True)
    scores /= totals
    scores.scatter_add_(1, labels, scores.new_full(labels.shape, -1.0))
    return totals.log() - label_scores


def _to_shared_gradient(scores: torch.Tensor, labels: torch.Tensor, share: VocabularyShare) -> torch.Tensor:
    """`_to_gradient` of scores of some entries only, the others being elsewhere (Shoeybi et al. 2019, section 3)."""
    labels = labels[:, None] - share.start
    is_here = (labels >= 0) & (labels < scores.shape[1])
    highest = scores.new_full(labels.shape, -math.inf) if not scores.shape[1] else scores.amax(dim=1, keepdim=True)
    scores -= share.maximum(highest)
    places = torch.where(is_here, labels, 0)
    label_scores = scores.gather(1, places) * is_here if scores.shape[1] else torch.zeros_like(highest)
    sums = share.total(torch.cat([scores.exp_().sum(dim=1, keepdim=True), label_scores], dim=1))
    totals, label_scores = sums[:, :1], sums[:, 1:]
    scores /= totals
    if scores.shape[1]:
        scores.scatter_add_(1, places, -is_here.to(scores.dtype))
    return totals.log() - label_scores


def decoder_loss_sum(
    states: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    labels: torch.Tensor,
    vocabulary_size: int,
    share: VocabularyShare | None = None,
) -> torch.Tensor:
    """Sum of the cross-entropies, in nats, of softmax(states weight^T + bias) at the labels.

    Args:
        states: [num_predictions, hidden].
        weight: [padded vocabulary, hidden].
        bias: [padded vocabulary].
        labels: below `vocabulary_size`, int64 [num_predictions].
        vocabulary_size: entries beyond it have probability zero.
        share: where weight and bias hold some of the entries only; every process that has others calls this too.

    Returns:
        fp32 scalar; zero where there is nothing to predict.
    """
    loss: torch.Tensor = _DecoderLoss.apply(states, weight, bias, labels, vocabulary_size, share)  # type: ignore[no-untyped-call]
    return loss

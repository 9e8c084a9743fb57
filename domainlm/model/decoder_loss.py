"""Cross-entropy over the vocabulary without ever holding all the scores in fp32.

The decoder's product and the softmax are one function: a few rows at a time it turns scores into the gradient with
respect to them, in fp32, and keeps that in the number format of the product.
"""

from __future__ import annotations

from typing import Any

import torch

from domainlm.model.precision import lowered

_SCORES_BYTES_AT_ONCE = 2**23


class _DecoderLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch names no public type
        states: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        labels: torch.Tensor,
        vocabulary_size: int,
    ) -> torch.Tensor:
        narrow_states, narrow_weight = lowered(states), lowered(weight)
        loss = torch.zeros((), dtype=torch.float32, device=states.device)
        d_bias = torch.zeros_like(bias)
        keeps_gradient = any(ctx.needs_input_grad)
        d_scores = narrow_states.new_empty(len(states) if keeps_gradient else 0, len(weight))
        d_scores[:, vocabulary_size:] = 0.0
        num_rows = max(1, _SCORES_BYTES_AT_ONCE // (4 * len(weight)))
        for start in range(0, len(states), num_rows):
            rows = slice(start, start + num_rows)
            scores = torch.mm(narrow_states[rows], narrow_weight.t())[:, :vocabulary_size].float()
            row_losses = _to_gradient(scores.add_(bias[:vocabulary_size]), labels[rows])
            loss += row_losses.sum()
            if keeps_gradient:
                d_scores[rows, :vocabulary_size] = scores
                d_bias[:vocabulary_size] += scores.sum(dim=0)
        ctx.save_for_backward(narrow_states, narrow_weight, d_scores, d_bias)
        ctx.dtypes = states.dtype, weight.dtype
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        states, weight, d_scores, d_bias = ctx.saved_tensors
        d_loss = gradients[0]
        # The scalar goes to the small factors, not to the scores.
        d_states = torch.mm(d_scores, weight).to(ctx.dtypes[0]) * d_loss
        d_weight = torch.mm(d_scores.t(), (states * d_loss).to(states.dtype)).to(ctx.dtypes[1])
        return d_states, d_weight, d_bias * d_loss, None, None


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


def decoder_loss_sum(
    states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, labels: torch.Tensor, vocabulary_size: int
) -> torch.Tensor:
    """Sum of the cross-entropies, in nats, of softmax(states weight^T + bias) at the labels.

    Args:
        states: [num_predictions, hidden].
        weight: [padded vocabulary, hidden].
        bias: [padded vocabulary].
        labels: below `vocabulary_size`, int64 [num_predictions].
        vocabulary_size: entries beyond it have probability zero.

    Returns:
        fp32 scalar; zero where there is nothing to predict.
    """
    loss: torch.Tensor = _DecoderLoss.apply(states, weight, bias, labels, vocabulary_size)  # type: ignore[no-untyped-call]
    return loss

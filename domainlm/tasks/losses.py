"""Losses of label scores, for every kind of task: sums over items in fp32.

The counts to divide them by are those of `domainlm.tasks.objective.LabelObjective.counts`.

With p the probability of the right label (softmax of the logits):

    cross_entropy   -log p
    focal           -(1 - p)^gamma log p                                         Lin et al. 2017, eq. 4
    dice            sum over labels c of 1 - (2 q_c y_c + s) / (q_c + y_c + s)    Li et al. 2020, sec. 3.4
                    with q_c = (1 - p_c)^alpha p_c, y_c = 1 for the right label and 0 for the others

Each item's loss may be multiplied by the weight of its right label. Balanced weights (King and Zeng 2001) have a mean
of 1 over the training split, so that the learning rate keeps its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from domainlm.recipe.loss_settings import LossSettings

_SMALLEST = 1e-12


class LabelLoss:
    """The loss that a recipe asks for.

    Args:
        settings: which loss, and its constants.
        label_counts: how often each label is the right one in the training split, for balanced weights; they may be
            left out where the settings ask for none.
    """

    def __init__(self, settings: LossSettings, label_counts: Sequence[int] = ()) -> None:
        self._settings = settings
        self._weights = None
        if settings.label_weights == "balanced":
            self._weights = torch.tensor(balanced_weights(label_counts), dtype=torch.float32)

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Sum of the losses of all items that have a label.

        Args:
            logits: [..., num_labels], of any floating-point type; -inf where a label cannot be.
            labels: label ids [...]; items with a negative one count for nothing.

        Returns:
            A scalar in fp32 with gradient; 0 where no item has a label.
        """
        labelled = labels >= 0
        right = labels.clamp_min(0)
        losses = self._losses(logits.float(), right)
        if self._weights is not None:
            losses = losses * self._weights.to(losses.device)[right]
        return losses.where(labelled, torch.zeros_like(losses)).sum()

    def _losses(self, logits: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Loss of each item [...]."""
        settings = self._settings
        if settings.kind == "dice":
            return _dice(logits, right, settings.alpha, settings.smoothing)
        flat = nn.functional.cross_entropy(logits.flatten(0, -2), right.flatten(), reduction="none")
        losses = flat.view(right.shape)
        if settings.kind == "focal":
            # 1 - p without cancellation; above zero, where a power below one has a slope.
            losses = (-torch.expm1(-losses)).clamp_min(_SMALLEST) ** settings.gamma * losses
        return losses


def balanced_weights(label_counts: Sequence[int]) -> tuple[float, ...]:
    """Weights N / (K n_c) for n_c of N items having label c of the K labels that occur (King and Zeng 2001).

    A label that does not occur has weight 1, which no item of the training split uses.
    """
    total, num_there = sum(label_counts), sum(count > 0 for count in label_counts)
    return tuple(total / (num_there * count) if count else 1.0 for count in label_counts)


def _dice(logits: torch.Tensor, right: torch.Tensor, alpha: float, smoothing: float) -> torch.Tensor:
    probabilities = logits.softmax(dim=-1)
    truth = torch.zeros_like(probabilities).scatter_(-1, right.unsqueeze(-1), 1.0)
    damped = (1.0 - probabilities).clamp_min(_SMALLEST) ** alpha * probabilities
    coefficient = (2.0 * damped * truth + smoothing) / (damped + truth + smoothing)
    return (1.0 - coefficient).sum(dim=-1)

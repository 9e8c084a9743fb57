"""The loss of span tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from domainlm.errors import RecipeError
from domainlm.recipe.loss_settings import LossSettings
from domainlm.tasks.objective import RowObjective
from domainlm.tasks.span.batches import SpanBatch
from domainlm.tasks.span.head import SpanModel

_START, _END = "answer_start", "answer_end"


class SpanObjective(RowObjective[SpanBatch]):
    """Cross-entropy of the answer's beginning plus that of its end, each a mean over rows (Devlin et al. 2019).

    Where an answer stands in several places of a row, the probabilities of these are added: what counts is that any of
    them is found (the marginal likelihood of Clark and Gardner 2018, of beginnings and ends by themselves).

    Raises:
        RecipeError: another loss is asked for.
    """

    def __init__(self, settings: LossSettings) -> None:
        if settings.kind != "cross_entropy" or settings.label_weights != "none":
            raise RecipeError(
                "answers are trained by cross-entropy alone",
                where="finetuning.loss",
                given=f"kind {settings.kind}, label_weights {settings.label_weights}",
                allowed='kind "cross_entropy", label_weights "none"',
                remedy="take the setting out, or give this task a finetuning table of its own",
            )

    def counts(self, batch: SpanBatch) -> Mapping[str, int]:
        """Number of rows."""
        return {_START: len(batch.lengths), _END: len(batch.lengths)}

    def losses(self, model: nn.Module, states: torch.Tensor, batch: SpanBatch) -> Mapping[str, torch.Tensor]:
        """Sums over the rows of the cross-entropies in nats."""
        assert isinstance(model, SpanModel)
        starts, ends = model.scores(states, batch.candidates)
        return {_START: _cross_entropy(starts, batch.starts), _END: _cross_entropy(ends, batch.ends)}


def _cross_entropy(scores: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Sum over rows of -log of the probability of all right slots together; both [batch, tokens]."""
    found = scores.masked_fill(~right, -math.inf).logsumexp(dim=-1)
    return (scores.logsumexp(dim=-1) - found).sum()

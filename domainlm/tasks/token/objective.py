"""The loss of token tasks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from domainlm.tasks.token.batches import TokenBatch

_PART = "label"


class TokenObjective:
    """Cross-entropy of the labels, over the slots that count."""

    def counts(self, batch: TokenBatch) -> Mapping[str, int]:
        """Number of slots that count."""
        return {_PART: len(batch.labels)}

    def loss_sums(self, model: nn.Module, batch: TokenBatch) -> Mapping[str, torch.Tensor]:
        """Sum over the slots of the cross-entropy in nats, in fp32."""
        scores = model(batch.tokens, batch.token_types, batch.lengths, batch.slots)
        return {_PART: nn.functional.cross_entropy(scores.float(), batch.labels, reduction="sum")}

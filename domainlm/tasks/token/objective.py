"""The loss of token tasks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from domainlm.model.encoder import EncoderInputs
from domainlm.tasks.token.batches import TokenBatch
from domainlm.tasks.token.head import TokenModel

_PART = "label"


class TokenObjective:
    """Cross-entropy of the labels, over the slots that count."""

    def counts(self, batch: TokenBatch) -> Mapping[str, int]:
        """Number of slots that count."""
        return {_PART: len(batch.labels)}

    def loss_sums(self, model: nn.Module, batch: TokenBatch) -> Mapping[str, torch.Tensor]:
        """Sum over the slots of the cross-entropy in nats, in fp32."""
        assert isinstance(model, TokenModel)
        return self.losses(model, model.encoder(*self.inputs(batch)), batch)

    def inputs(self, batch: TokenBatch) -> EncoderInputs:
        """What the encoder reads."""
        return EncoderInputs(batch.tokens, batch.token_types, batch.lengths)

    def losses(self, model: nn.Module, states: torch.Tensor, batch: TokenBatch) -> Mapping[str, torch.Tensor]:
        """The same sum, from the hidden states."""
        assert isinstance(model, TokenModel)
        scores = model.scores(states, batch.slots)
        return {_PART: nn.functional.cross_entropy(scores.float(), batch.labels, reduction="sum")}

"""The loss of token tasks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from domainlm.model.encoder import EncoderInputs
from domainlm.tasks.losses import LabelLoss
from domainlm.tasks.token.batches import TokenBatch
from domainlm.tasks.token.head import TokenModel

_PART = "label"


class TokenObjective:
    """The loss of the labels, over the slots that count."""

    def __init__(self, loss: LabelLoss) -> None:
        self._loss = loss

    def counts(self, batch: TokenBatch) -> Mapping[str, int]:
        """Number of slots that count."""
        return {_PART: len(batch.labels)}

    def loss_sums(self, model: nn.Module, batch: TokenBatch) -> Mapping[str, torch.Tensor]:
        """Sum of the loss over the slots, in fp32."""
        assert isinstance(model, TokenModel)
        return self.losses(model, model.encoder(*self.inputs(batch)), batch)

    def inputs(self, batch: TokenBatch) -> EncoderInputs:
        """What the encoder reads."""
        return EncoderInputs(batch.tokens, batch.token_types, batch.lengths)

    def losses(self, model: nn.Module, states: torch.Tensor, batch: TokenBatch) -> Mapping[str, torch.Tensor]:
        """The same sum, from the hidden states."""
        assert isinstance(model, TokenModel)
        return {_PART: self._loss(model.scores(states, batch.slots), batch.labels)}

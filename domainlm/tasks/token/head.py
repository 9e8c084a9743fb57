"""An encoder and a head that scores the labels of words."""

from __future__ import annotations

import torch
from torch import nn

from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.batches import distinct_slots
from domainlm.tasks.head import Head


class TokenModel(nn.Module):
    """Encoder with a `Head`; computes scores only for the slots that are asked for."""

    def __init__(self, config: ModelConfig, num_labels: int, head: HeadSettings) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.head = Head(config.hidden, num_labels, head)

    def forward(
        self, tokens: torch.Tensor, token_types: torch.Tensor, lengths: torch.Tensor, slots: torch.Tensor
    ) -> torch.Tensor:
        """Scores of the labels at some slots.

        Args:
            tokens: [batch, tokens].
            token_types: [batch, tokens].
            lengths: real sub-tokens of each row [batch].
            slots: flat places, row * tokens + slot [num_slots].

        Returns:
            Logits [num_slots, num_labels].
        """
        return self.scores(self.encoder(tokens, token_types, lengths, None, None, distinct_slots(slots)), slots)

    def scores(self, states: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """The same from the encoder's hidden states [batch, tokens, hidden]."""
        scores: torch.Tensor = self.head(states.flatten(0, 1).index_select(0, slots))
        return scores

"""The classifier on top of the encoder, and the two together."""

from __future__ import annotations

import torch
from torch import nn

from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.recipe.schema import HeadSettings


class TokenHead(nn.Module):
    """One or two fully connected layers from hidden states to label scores (Shin et al. 2020, section 4).

    With two layers a GELU lies between them. Dropout comes before each layer.

    Args:
        hidden: width of the encoder.
        num_labels: width of the result.
        settings: number of layers, width between them, dropout.
    """

    def __init__(self, hidden: int, num_labels: int, settings: HeadSettings) -> None:
        super().__init__()
        two_layers = settings.num_fc_layers == 2
        self.dropout = nn.Dropout(settings.dropout)
        self.dense = nn.Linear(hidden, settings.fc_hidden) if two_layers else None
        self.output = nn.Linear(settings.fc_hidden if two_layers else hidden, num_labels)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Scores (logits) of the labels: `[..., hidden]` to `[..., num_labels]`."""
        states = self.dropout(hidden_states)
        if self.dense is not None:
            states = self.dropout(nn.functional.gelu(self.dense(states)))
        scores: torch.Tensor = self.output(states)
        return scores


class TokenModel(nn.Module):
    """Encoder with a `TokenHead`; computes scores only for the slots that are asked for."""

    def __init__(self, config: ModelConfig, num_labels: int, head: HeadSettings) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.head = TokenHead(config.hidden, num_labels, head)

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
        return self.scores(self.encoder(tokens, token_types, lengths), slots)

    def scores(self, states: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """The same from the encoder's hidden states [batch, tokens, hidden]."""
        scores: torch.Tensor = self.head(states.flatten(0, 1).index_select(0, slots))
        return scores

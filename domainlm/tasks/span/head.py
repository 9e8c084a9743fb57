"""An encoder and a head that scores where an answer begins and ends."""

from __future__ import annotations

import math

import torch
from torch import nn

from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.head import Head


class SpanModel(nn.Module):
    """Encoder with a `Head` that gives two scores to each sub-token (Devlin et al. 2019, section 4.2)."""

    def __init__(self, config: ModelConfig, head: HeadSettings) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.head = Head(config.hidden, 2, head)

    def forward(
        self, tokens: torch.Tensor, token_types: torch.Tensor, lengths: torch.Tensor, candidates: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`scores` of rows [batch, tokens] with their real lengths [batch]."""
        return self.scores(self.encoder(tokens, token_types, lengths), candidates)

    def scores(self, states: torch.Tensor, candidates: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores (logits, fp32) of beginning and end, minus infinity where there can be none.

        Args:
            states: hidden states of the encoder [batch, tokens, hidden].
            candidates: slots where an answer may begin or end [batch, tokens].

        Returns:
            Of beginnings [batch, tokens]; of ends [batch, tokens].
        """
        both = self.head(states).float().masked_fill(~candidates.unsqueeze(-1), -math.inf)
        return both[..., 0], both[..., 1]

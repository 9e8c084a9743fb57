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
        self,
        tokens: torch.Tensor,
        token_types: torch.Tensor,
        lengths: torch.Tensor,
        slots: torch.Tensor,
        positions: torch.Tensor | None = None,
        firsts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits of the labels at some slots [num_slots, num_labels]; the arguments are those of `LabelledBatch`."""
        states = self.encoder(tokens, token_types, lengths, positions, None, distinct_slots(slots), firsts)
        return self.scores(states, slots)

    def scores(self, states: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """The same from the encoder's hidden states [batch, tokens, hidden]."""
        scores: torch.Tensor = self.head(states.flatten(0, 1).index_select(0, slots))
        return scores

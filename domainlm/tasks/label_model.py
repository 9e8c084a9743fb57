"""What the models of words and of whole sequences have in common: an encoder, and scores of labels at some slots."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.tasks.batches import distinct_slots


class LabelModel(nn.Module, ABC):
    """An encoder with a head that a subclass adds; only the slots that are asked for are scored."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)

    def forward(
        self,
        tokens: torch.Tensor,
        token_types: torch.Tensor,
        lengths: torch.Tensor,
        slots: torch.Tensor,
        positions: torch.Tensor | None = None,
        firsts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """What `scores` gives; the arguments are those of `LabelledBatch`."""
        states = self.encoder(tokens, token_types, lengths, positions, None, distinct_slots(slots), firsts)
        return self.scores(states, slots)

    @abstractmethod
    def scores(self, states: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """Logits [num_labelled, num_labels] from the encoder's hidden states [batch, tokens, hidden]."""

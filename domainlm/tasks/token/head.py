"""An encoder and a head that scores the labels of words."""

from __future__ import annotations

import torch

from domainlm.model.config import ModelConfig
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.head import Head
from domainlm.tasks.label_model import LabelModel


class TokenModel(LabelModel):
    """Encoder with a `Head` on the states of words."""

    def __init__(self, config: ModelConfig, num_labels: int, head: HeadSettings) -> None:
        super().__init__(config)
        self.head = Head(config.hidden, num_labels, head)

    def scores(self, states: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """Logits of the labels at some slots [num_slots, num_labels], from hidden states [batch, tokens, hidden]."""
        scores: torch.Tensor = self.head(states.flatten(0, 1).index_select(0, slots))
        return scores

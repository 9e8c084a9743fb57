"""The classifier on top of an encoder, shared by all kinds of task."""

from __future__ import annotations

import torch
from torch import nn

from domainlm.recipe.task_settings import HeadSettings


class Head(nn.Module):
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

"""The classifier on top of an encoder, shared by all kinds of task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from domainlm.recipe.task_settings import HeadSettings

ACTIVATIONS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {"gelu": nn.functional.gelu, "tanh": torch.tanh}
"""What may lie between two layers, as "activation" of config.json's "head" says."""


class Head(nn.Module):
    """One or two fully connected layers from hidden states to label scores (Shin et al. 2020, section 4).

    With two layers a GELU lies between them; in heads from elsewhere tanh, after BERT's pooler (Devlin et al. 2019).
    Dropout comes before each layer.

    Args:
        hidden: width of the encoder.
        num_labels: width of the result.
        settings: number of layers, width between them, dropout.
        activation: between two layers, by its name in `ACTIVATIONS`.
    """

    def __init__(self, hidden: int, num_labels: int, settings: HeadSettings, activation: str = "gelu") -> None:
        super().__init__()
        self._activation = ACTIVATIONS[activation]
        two_layers = settings.num_fc_layers == 2
        self.dropout = nn.Dropout(settings.dropout)
        self.dense = nn.Linear(hidden, settings.fc_hidden) if two_layers else None
        self.output = nn.Linear(settings.fc_hidden if two_layers else hidden, num_labels)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Scores (logits) of the labels: `[..., hidden]` to `[..., num_labels]`."""
        states = self.dropout(hidden_states)
        if self.dense is not None:
            states = self.dropout(self._activation(self.dense(states)))
        scores: torch.Tensor = self.output(states)
        return scores


def read_head(entry: Mapping[str, Any]) -> tuple[HeadSettings, str]:
    """The shape and the activation that "head" of a model folder's config.json says; `ValueError` where it is wrong."""
    values = dict(entry)
    activation = values.pop("activation", "gelu")
    if activation not in ACTIVATIONS:
        raise ValueError(f"head.activation is {activation!r}, and not one of {', '.join(ACTIVATIONS)}")
    return HeadSettings(**values), activation

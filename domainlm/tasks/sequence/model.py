"""An encoder with a head that scores the labels of whole sequences, its loss, and what it predicts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from domainlm.model.config import ModelConfig
from domainlm.parallel.device import Device
from domainlm.progress import Bar
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.head import Head
from domainlm.tasks.label_model import LabelModel
from domainlm.tasks.prediction_batches import prediction_batches
from domainlm.tasks.sequence.batches import collate
from domainlm.tasks.sequence.features import SequenceFeatures


class SequenceModel(LabelModel):
    """Encoder with a `Head` on the states of one or several places of each row, put side by side.

    Args:
        config: shape of the encoder.
        num_labels: width of the result.
        head: the classifier.
        num_slots: places of each row that it reads.
        activation: between two layers of the head.
    """

    def __init__(
        self, config: ModelConfig, num_labels: int, head: HeadSettings, num_slots: int, activation: str = "gelu"
    ) -> None:
        super().__init__(config)
        self.head = Head(num_slots * config.hidden, num_labels, head, activation)

    def scores(self, states: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """Logits of the rows' labels [batch, num_labels], from hidden states [batch, tokens, hidden]."""
        read = states.flatten(0, 1).index_select(0, slots.flatten())
        scores: torch.Tensor = self.head(read.view(len(slots), -1))
        return scores


@dataclass(frozen=True, slots=True)
class Classified:
    """The likeliest label of every row.

    Attributes:
        labels: label ids [num_rows].
        probabilities: what the model gives to every label, from 0 to 1 [num_rows, num_labels].
    """

    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]


@torch.inference_mode()
def classify_rows(
    model: nn.Module, features: SequenceFeatures, num_labels: int, device: Device, *, shows_progress: bool = False
) -> Classified:
    """Classify every row; rows of similar length go through the model together.

    The caller puts the model into evaluation mode. The result does not depend on randomness, but in its last digits
    on which rows share a batch, which is a function of the features alone.
    """
    probabilities = np.zeros((features.num_rows, num_labels), dtype=np.float32)
    is_silent = None if shows_progress else True  # None: silent where stderr is no terminal
    bar = Bar(total=features.num_rows, desc="classifying", unit=" rows", leave=False, disable=is_silent)
    with bar, device.predicting(model):
        for rows, batch in prediction_batches(partial(collate, features), features.row_lengths, device.torch_device):
            scores = model(*batch.inputs)
            probabilities[rows] = scores.float().softmax(dim=-1).cpu().numpy()
            bar.update(len(rows))
    return Classified(probabilities.argmax(axis=1) if len(probabilities) else np.zeros(0, np.int64), probabilities)

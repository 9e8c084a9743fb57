"""The losses of tasks, each in the two halves that may run on different ranks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar, cast

import torch
from torch import nn

from domainlm.model.encoder import EncoderInputs
from domainlm.tasks.batches import LabelledBatch, RowBatch, distinct_slots
from domainlm.tasks.label_model import LabelModel
from domainlm.tasks.losses import LabelLoss

BatchT = TypeVar("BatchT", bound=RowBatch)

_PART = "label"


class RowObjective(ABC, Generic[BatchT]):
    """A loss of rows that the encoder reads one by one; see `domainlm.train.objective.StagedObjective`."""

    @abstractmethod
    def counts(self, batch: BatchT) -> Mapping[str, int]:
        """Items of each part of the loss."""

    @abstractmethod
    def losses(self, model: nn.Module, states: torch.Tensor, batch: BatchT) -> Mapping[str, torch.Tensor]:
        """The sum of each part's losses, an fp32 scalar, from the hidden states [batch, tokens, hidden]."""

    def inputs(self, batch: BatchT) -> EncoderInputs:
        """What the encoder reads."""
        return EncoderInputs(batch.tokens, batch.token_types, batch.lengths)

    def loss_sums(self, model: nn.Module, batch: BatchT) -> Mapping[str, torch.Tensor]:
        """The same sums of a model that is here as a whole."""
        states: torch.Tensor = model.get_submodule("encoder")(*self.inputs(batch))
        return self.losses(model, states, batch)


class LabelObjective(RowObjective[LabelledBatch]):
    """The loss of labels: of the slots that count in token tasks, of the rows in sequence tasks."""

    def __init__(self, loss: LabelLoss) -> None:
        self._loss = loss

    def counts(self, batch: LabelledBatch) -> Mapping[str, int]:
        """Number of labels."""
        return {_PART: len(batch.labels)}

    def inputs(self, batch: LabelledBatch) -> EncoderInputs:
        """What the encoder reads, and which of its hidden states `losses` will read."""
        return EncoderInputs(batch.tokens, batch.token_types, batch.lengths, read=distinct_slots(batch.slots))

    def losses(self, model: nn.Module, states: torch.Tensor, batch: LabelledBatch) -> Mapping[str, torch.Tensor]:
        """Sum of the loss over the labels."""
        scores = cast(LabelModel, model).scores(states, batch.slots)
        return {_PART: self._loss(scores, batch.labels)}

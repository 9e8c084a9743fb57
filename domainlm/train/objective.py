"""What the loop asks of the thing to train on: batches, and the loss as sums with counts.

The loss of a step is the sum over all micro-batches of every part's loss sum, divided by that part's count over the
whole step. So the loss and its gradient do not depend on how a step is split into micro-batches or over ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self, TypeVar

import torch
from torch import nn

from domainlm.model.encoder import EncoderInputs


class Batch(Protocol):
    """One micro-batch: a frozen record of tensors."""

    @property
    def num_tokens(self) -> int:
        """Number of real (not padding) sub-tokens; known without asking the device."""

    def to(self, device: torch.device) -> Self:
        """The same micro-batch with its tensors on `device`."""


SourcedT_co = TypeVar("SourcedT_co", bound=Batch, covariant=True)
BatchT_contra = TypeVar("BatchT_contra", bound=Batch, contravariant=True)


class BatchSource(Protocol[SourcedT_co]):
    """Where the micro-batches of every step come from."""

    def micro_batches(self, step: int) -> Sequence[SourcedT_co]:
        """The micro-batches of the step that follows `step` done ones (0 for the first).

        A function of `step` and of what the source was made from only: asked again, also in another process, it
        gives the same numbers. Tensors are on the CPU. At least one micro-batch.
        """


class Objective(Protocol[BatchT_contra]):
    """What a step minimises: the sum over parts of (sum of the part's losses) / (count of the part in the step)."""

    def counts(self, batch: BatchT_contra) -> Mapping[str, int]:
        """How many items each part of the loss has in this micro-batch ({"masked_lm": 731, "sentence_order": 32}).

        Called before any forward pass; must not ask the device. The keys are the same for every micro-batch.
        """

    def loss_sums(self, model: nn.Module, batch: BatchT_contra) -> Mapping[str, torch.Tensor]:
        """Run the model on one micro-batch (on the model's device).

        Returns:
            For each key of `counts` the sum, not the mean, of the losses of its items: an fp32 scalar with gradient.
        """


class StagedObjective(Objective[BatchT_contra], Protocol[BatchT_contra]):
    """An objective of an encoder with heads, whose two halves may run on different ranks.

    The model has its encoder as `model.encoder`. `loss_sums(model, batch)` is the same as
    `losses(model, model.encoder(*inputs(batch)), batch)`.
    """

    def inputs(self, batch: BatchT_contra) -> EncoderInputs:
        """What the encoder reads of a micro-batch."""

    def losses(self, model: nn.Module, states: torch.Tensor, batch: BatchT_contra) -> Mapping[str, torch.Tensor]:
        """What `loss_sums` gives, from the hidden states of the last layer [batch, tokens, hidden].

        Of the encoder only `model.encoder.embeddings.word` may be used, which the last stage has as well.
        """

"""Rows of sequence tasks to tensors, in the order in which training sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from domainlm.tasks.batches import EpochOrder, Ints, pad_rows
from domainlm.tasks.oversampling import rows_of_epoch
from domainlm.tasks.sequence.features import SequenceFeatures


@dataclass(frozen=True, slots=True)
class SequenceBatch:
    """A micro-batch of rows.

    Attributes:
        tokens: sub-tokens, padded to the longest row rounded up to a multiple of 8 [batch, tokens].
        token_types: 0 for the first text, 1 for the second [batch, tokens].
        lengths: real sub-tokens of each row [batch].
        slots: flat places (row * tokens + slot) whose states the classifier reads [batch, num_slots].
        labels: label id of each row [batch].
        num_tokens: real sub-tokens of all rows.
    """

    tokens: torch.Tensor
    token_types: torch.Tensor
    lengths: torch.Tensor
    slots: torch.Tensor
    labels: torch.Tensor
    num_tokens: int

    def to(self, device: torch.device) -> SequenceBatch:
        """The same micro-batch with its tensors on `device`."""
        return replace(
            self,
            tokens=self.tokens.to(device, non_blocking=True),
            token_types=self.token_types.to(device, non_blocking=True),
            lengths=self.lengths.to(device, non_blocking=True),
            slots=self.slots.to(device, non_blocking=True),
            labels=self.labels.to(device, non_blocking=True),
        )


def collate(features: SequenceFeatures, rows: Ints) -> SequenceBatch:
    """Put some rows, at least one, into tensors on the CPU."""
    tokens, lengths = pad_rows(
        features.tokens, features.row_starts, rows, max_tokens=features.max_tokens, pad_id=features.pad_id
    )
    width = tokens.shape[1]
    is_second = np.arange(width) >= features.first_lengths[rows][:, None]
    is_second &= np.arange(width) < lengths.numpy()[:, None]
    return SequenceBatch(
        tokens=tokens,
        token_types=torch.from_numpy(is_second.astype(np.int64)),
        lengths=lengths,
        slots=torch.from_numpy(features.slots[rows] + np.arange(len(rows))[:, None] * width),
        labels=torch.from_numpy(features.labels[rows]),
        num_tokens=int(lengths.sum()),
    )


class TrainingBatches:
    """The micro-batches of every training step, in the order of `EpochOrder`.

    Every row is seen once an epoch, those of a label besides the most frequent one `minority_views` times.
    """

    def __init__(
        self,
        features: SequenceFeatures,
        *,
        seed: int,
        num_rows_per_step: int,
        num_rows_per_micro_batch: int,
        minority_views: int = 1,
    ) -> None:
        self._features = features
        every = np.arange(features.num_rows)
        epoch_rows = rows_of_epoch(features.labels, every, features.num_rows, minority_views)
        self._order = EpochOrder(
            features.row_lengths, seed=seed, num_rows_per_step=num_rows_per_step, epoch_rows=epoch_rows
        )
        self._num_rows_per_micro_batch = num_rows_per_micro_batch

    @property
    def num_steps_per_epoch(self) -> int:
        """Steps that together see all rows of an epoch."""
        return self._order.num_steps_per_epoch

    def micro_batches(self, step: int) -> Sequence[SequenceBatch]:
        """The micro-batches of the step that follows `step` done ones."""
        rows = self._order.rows(step)
        size = self._num_rows_per_micro_batch
        return [collate(self._features, rows[start : start + size]) for start in range(0, len(rows), size)]

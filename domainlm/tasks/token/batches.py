"""Rows to tensors, and the order in which training sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from domainlm.tasks.batches import EpochOrder, pad_rows
from domainlm.tasks.oversampling import rows_of_epoch, rows_of_slots
from domainlm.tasks.token.features import Features, Ints


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """A micro-batch of rows.

    Attributes:
        tokens: sub-tokens, padded to the longest row rounded up to a multiple of 8 [batch, tokens].
        token_types: zeros: a row is one segment [batch, tokens].
        lengths: real sub-tokens of each row [batch].
        slots: flat places (row * tokens + slot) whose label counts, ascending by row [num_slots].
        labels: label ids of the slots [num_slots].
        num_tokens: real sub-tokens of all rows.
    """

    tokens: torch.Tensor
    token_types: torch.Tensor
    lengths: torch.Tensor
    slots: torch.Tensor
    labels: torch.Tensor
    num_tokens: int

    def to(self, device: torch.device) -> TokenBatch:
        """The same micro-batch with its tensors on `device`."""
        return replace(
            self,
            tokens=self.tokens.to(device, non_blocking=True),
            token_types=self.token_types.to(device, non_blocking=True),
            lengths=self.lengths.to(device, non_blocking=True),
            slots=self.slots.to(device, non_blocking=True),
            labels=self.labels.to(device, non_blocking=True),
        )


def collate(features: Features, rows: Ints) -> TokenBatch:
    """Put some rows, at least one, into tensors on the CPU."""
    tokens, lengths = pad_rows(
        features.tokens, features.row_starts, rows, max_tokens=features.max_tokens, pad_id=features.pad_id
    )
    width = tokens.shape[1]
    slot_starts = features.slot_starts[rows]
    num_slots = features.slot_starts[rows + 1] - slot_starts
    row_of_slot = np.repeat(np.arange(len(rows)), num_slots)
    place = np.arange(len(row_of_slot)) - np.repeat(np.cumsum(num_slots) - num_slots, num_slots)
    chosen = slot_starts[row_of_slot] + place
    return TokenBatch(
        tokens=tokens,
        token_types=torch.zeros(tokens.shape, dtype=torch.int64),
        lengths=lengths,
        slots=torch.from_numpy(row_of_slot * width + features.slots[chosen]),
        labels=torch.from_numpy(features.labels[chosen].astype(np.int64)),
        num_tokens=int(lengths.sum()),
    )


class TrainingBatches:
    """The micro-batches of every training step, in the order of `EpochOrder`.

    Every row is seen once an epoch, those with a label besides the most frequent one `minority_views` times.
    """

    def __init__(
        self,
        features: Features,
        *,
        seed: int,
        num_rows_per_step: int,
        num_rows_per_micro_batch: int,
        minority_views: int = 1,
    ) -> None:
        self._features = features
        epoch_rows = rows_of_epoch(
            features.labels, rows_of_slots(features.slot_starts), features.num_rows, minority_views
        )
        self._order = EpochOrder(
            features.row_lengths, seed=seed, num_rows_per_step=num_rows_per_step, epoch_rows=epoch_rows
        )
        self._num_rows_per_micro_batch = num_rows_per_micro_batch

    @property
    def num_steps_per_epoch(self) -> int:
        """Steps that together see all rows of an epoch; one of them is smaller where the numbers do not divide."""
        return self._order.num_steps_per_epoch

    def rows(self, step: int) -> Ints:
        """The rows of the step that follows `step` done ones, shortest first."""
        return self._order.rows(step)

    def micro_batches(self, step: int) -> Sequence[TokenBatch]:
        """The micro-batches of the step that follows `step` done ones."""
        rows = self.rows(step)
        size = self._num_rows_per_micro_batch
        return [collate(self._features, rows[start : start + size]) for start in range(0, len(rows), size)]

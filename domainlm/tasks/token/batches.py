"""Rows to tensors, and the order in which training sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from domainlm.tasks.oversampling import rows_of_epoch, rows_of_slots
from domainlm.tasks.token.features import Features, Ints

_WIDTH_MULTIPLE = 8
_STEPS_PER_POOL = 50


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
    starts, lengths = features.row_starts[rows], features.row_starts[rows + 1] - features.row_starts[rows]
    longest = int(lengths.max())
    width = min(-(-longest // _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE, features.max_tokens)
    columns = np.arange(width)
    real = columns < lengths[:, None]
    tokens = np.full((len(rows), width), features.pad_id, dtype=np.int64)
    tokens[real] = features.tokens[(starts[:, None] + columns)[real]]
    slot_starts = features.slot_starts[rows]
    num_slots = features.slot_starts[rows + 1] - slot_starts
    row_of_slot = np.repeat(np.arange(len(rows)), num_slots)
    place = np.arange(len(row_of_slot)) - np.repeat(np.cumsum(num_slots) - num_slots, num_slots)
    chosen = slot_starts[row_of_slot] + place
    return TokenBatch(
        tokens=torch.from_numpy(tokens),
        token_types=torch.zeros(tokens.shape, dtype=torch.int64),
        lengths=torch.from_numpy(lengths),
        slots=torch.from_numpy(row_of_slot * width + features.slots[chosen]),
        labels=torch.from_numpy(features.labels[chosen].astype(np.int64)),
        num_tokens=int(lengths.sum()),
    )


class TrainingBatches:
    """The micro-batches of every training step.

    Each epoch shuffles all rows, sorts pools of 50 steps by length, cuts them into steps and shuffles the steps: rows
    of a step are of similar length, which saves padding. Every row is seen once an epoch, those with a label besides
    the most frequent one `minority_views` times. The order is a function of seed and epoch alone, so any step can be
    asked for at any time.
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
        self._epoch_rows = rows_of_epoch(
            features.labels, rows_of_slots(features.slot_starts), features.num_rows, minority_views
        )
        self._seed = seed
        self._num_rows_per_step = num_rows_per_step
        self._num_rows_per_micro_batch = num_rows_per_micro_batch
        self._steps_of_epoch = lru_cache(maxsize=2)(self._order_epoch)

    @property
    def num_steps_per_epoch(self) -> int:
        """Steps that together see every row once; one of them is smaller where the numbers do not divide."""
        return -(-len(self._epoch_rows) // self._num_rows_per_step)

    def rows(self, step: int) -> Ints:
        """The rows of the step that follows `step` done ones, shortest first."""
        epoch, place = divmod(step, self.num_steps_per_epoch)
        return self._steps_of_epoch(epoch)[place]

    def micro_batches(self, step: int) -> Sequence[TokenBatch]:
        """The micro-batches of the step that follows `step` done ones."""
        rows = self.rows(step)
        size = self._num_rows_per_micro_batch
        return [collate(self._features, rows[start : start + size]) for start in range(0, len(rows), size)]

    def _order_epoch(self, epoch: int) -> list[Ints]:
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence([self._seed, epoch])))
        order = self._epoch_rows[random.permutation(len(self._epoch_rows))]
        lengths = self._features.row_lengths
        size = self._num_rows_per_step
        steps: list[Ints] = []
        for start in range(0, len(order), _STEPS_PER_POOL * size):
            pool = order[start : start + _STEPS_PER_POOL * size]
            pool = pool[np.argsort(lengths[pool], kind="stable")]
            steps.extend(pool[first : first + size] for first in range(0, len(pool), size))
        return [steps[place] for place in random.permutation(len(steps))]

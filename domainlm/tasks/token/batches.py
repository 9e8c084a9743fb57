"""Rows to tensors, and the order in which training sees them."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from domainlm.tasks.batches import Ints, LabelledBatch, TaskBatches
from domainlm.tasks.oversampling import rows_of_slots
from domainlm.tasks.token.features import Features


def collate(features: Features, rows: Ints) -> LabelledBatch:
    """Put some rows, at least one, into tensors on the CPU."""
    tokens, lengths = features.padded(rows)
    width = tokens.shape[1]
    slot_starts = features.slot_starts[rows]
    num_slots = features.slot_starts[rows + 1] - slot_starts
    row_of_slot = np.repeat(np.arange(len(rows)), num_slots)
    place = np.arange(len(row_of_slot)) - np.repeat(np.cumsum(num_slots) - num_slots, num_slots)
    chosen = slot_starts[row_of_slot] + place
    return LabelledBatch(
        tokens=tokens,
        token_types=torch.zeros(tokens.shape, dtype=torch.int64),
        lengths=lengths,
        slots=torch.from_numpy(row_of_slot * width + features.slots[chosen]),
        labels=torch.from_numpy(features.labels[chosen].astype(np.int64)),
        num_tokens=int(lengths.sum()),
    )


def training_batches(features: Features, **how: int) -> TaskBatches[LabelledBatch]:
    """The batches of training; `how` is as for `TaskBatches`. A row's labels are those of its slots."""
    rows = rows_of_slots(features.slot_starts)
    return TaskBatches(partial(collate, features), features.row_lengths, features.labels, rows, **how)

"""Rows of sequence tasks to tensors, in the order in which training sees them."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from domainlm.tasks.batches import Ints, LabelledBatch, TaskBatches
from domainlm.tasks.sequence.features import SequenceFeatures


def collate(features: SequenceFeatures, rows: Ints) -> LabelledBatch:
    """Put some rows, at least one, into tensors on the CPU."""
    tokens, lengths = features.padded(rows)
    width = tokens.shape[1]
    is_second = np.arange(width) >= features.first_lengths[rows][:, None]
    is_second &= np.arange(width) < lengths.numpy()[:, None]
    return LabelledBatch(
        tokens=tokens,
        token_types=torch.from_numpy(is_second.astype(np.int64)),
        lengths=lengths,
        slots=torch.from_numpy(features.slots[rows] + np.arange(len(rows))[:, None] * width),
        labels=torch.from_numpy(features.labels[rows]),
        num_tokens=int(lengths.sum()),
    )


def training_batches(features: SequenceFeatures, **how: int) -> TaskBatches[LabelledBatch]:
    """The batches of training; `how` is as for `TaskBatches`."""
    return TaskBatches(partial(collate, features), features.row_lengths, features.labels, None, **how)

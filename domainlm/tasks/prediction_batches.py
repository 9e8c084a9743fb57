"""The micro-batches of labelled rows where nothing is trained: on a CPU without any padding between rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

from domainlm.model.packed import filled_up
from domainlm.tasks.batches import NUM_SLOTS_PER_GROUP, Ints, LabelledBatch, row_groups


def prediction_batches(
    collate: Callable[[Ints], LabelledBatch], row_lengths: Ints, device: torch.device
) -> Iterator[tuple[Ints, LabelledBatch]]:
    """All rows, longest first, as their numbers and their micro-batch on the device.

    Sentences that are sorted by length have a tenth of padding where rows are rounded up to multiples of 8. On a CPU
    the rows of a micro-batch are laid end to end, see `LabelledBatch.firsts`; those of one length attend together.

    Args:
        collate: puts some rows, at least one, into tensors on the CPU.
        row_lengths: sub-tokens of each row [num_rows].
        device: "cpu" or "cuda".
    """
    if device.type != "cpu":
        for rows in row_groups(row_lengths, device):
            yield rows, collate(rows).to(device)
        return
    order = np.argsort(-row_lengths, kind="stable")
    ends = np.cumsum(row_lengths[order])
    start, done = 0, 0
    while start < len(order):
        stop = max(start + 1, int(np.searchsorted(ends, done + NUM_SLOTS_PER_GROUP[device.type], side="right")))
        rows = order[start:stop]
        yield rows, end_to_end(collate(rows))
        start, done = stop, int(ends[stop - 1])


def end_to_end(batch: LabelledBatch) -> LabelledBatch:
    """The same rows as a single one, without the padding of each; what is added at its end belongs to no row."""
    num_slots = filled_up(batch.num_tokens)
    columns = torch.arange(batch.tokens.shape[1]).expand_as(batch.tokens)
    is_real = columns < batch.lengths[:, None]
    places = is_real.flatten().cumsum(0) - 1

    def laid(values: torch.Tensor) -> torch.Tensor:
        row = values.new_zeros(1, num_slots)
        row[0, : batch.num_tokens] = values[is_real]
        return row

    return replace(
        batch,
        tokens=laid(batch.tokens),
        token_types=laid(batch.token_types),
        lengths=torch.tensor([batch.num_tokens]),
        slots=places[batch.slots],
        positions=laid(columns),
        firsts=batch.lengths.cumsum(0) - batch.lengths,
    )

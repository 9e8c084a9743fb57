"""What the batches of all kinds of task have in common: padding, the order of training, groups for evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

Ints = npt.NDArray[np.int64]

_WIDTH_MULTIPLE = 8
_STEPS_PER_POOL = 50
_NUM_SLOTS_PER_GROUP = 8_192


def pad_rows(
    tokens: npt.NDArray[np.int32], row_starts: Ints, rows: Ints, *, max_tokens: int, pad_id: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Some rows, at least one, as tensors on the CPU.

    Args:
        tokens: sub-tokens of all rows, one row after the other [num_tokens].
        row_starts: where each row begins in `tokens`, and where the last one ends [num_rows + 1].
        rows: the rows that are wanted [batch].
        max_tokens: no row is longer.
        pad_id: what shorter rows are filled up with.

    Returns:
        Sub-tokens, padded to the longest row rounded up to a multiple of 8 [batch, tokens]; lengths [batch].
    """
    starts, lengths = row_starts[rows], row_starts[rows + 1] - row_starts[rows]
    longest = int(lengths.max())
    columns = np.arange(min(-(-longest // _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE, max_tokens))
    real = columns < lengths[:, None]
    padded = np.full(real.shape, pad_id, dtype=np.int64)
    padded[real] = tokens[(starts[:, None] + columns)[real]]
    return torch.from_numpy(padded), torch.from_numpy(lengths)


class EpochOrder:
    """Which rows each training step sees.

    Each epoch shuffles all rows, sorts pools of 50 steps by length, cuts them into steps and shuffles the steps: rows
    of a step are of similar length, which saves padding, and every row is seen once an epoch, unless it is asked for
    more often. The order is a function of seed and epoch alone, so any step can be asked for at any time.

    Args:
        row_lengths: sub-tokens of each row [num_rows].
        seed: of the order.
        num_rows_per_step: rows of a step.
        epoch_rows: the rows that an epoch sees, before they are shuffled; each once where None.
    """

    def __init__(self, row_lengths: Ints, *, seed: int, num_rows_per_step: int, epoch_rows: Ints | None = None) -> None:
        self._row_lengths, self._seed, self._num_rows_per_step = row_lengths, seed, num_rows_per_step
        self._epoch_rows = np.arange(len(row_lengths), dtype=np.int64) if epoch_rows is None else epoch_rows
        self._steps_of_epoch = lru_cache(maxsize=2)(self._order_epoch)

    @property
    def num_steps_per_epoch(self) -> int:
        """Steps that together see all rows of an epoch; one of them is smaller where the numbers do not divide."""
        return -(-len(self._epoch_rows) // self._num_rows_per_step)

    def rows(self, step: int) -> Ints:
        """The rows of the step that follows `step` done ones, shortest first."""
        epoch, place = divmod(step, self.num_steps_per_epoch)
        return self._steps_of_epoch(epoch)[place]

    def _order_epoch(self, epoch: int) -> list[Ints]:
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence([self._seed, epoch])))
        order = self._epoch_rows[random.permutation(len(self._epoch_rows))]
        size = self._num_rows_per_step
        steps: list[Ints] = []
        for start in range(0, len(order), _STEPS_PER_POOL * size):
            pool = order[start : start + _STEPS_PER_POOL * size]
            pool = pool[np.argsort(self._row_lengths[pool], kind="stable")]
            steps.extend(pool[first : first + size] for first in range(0, len(pool), size))
        return [steps[place] for place in random.permutation(len(steps))]


def row_groups(row_lengths: Ints) -> Iterator[Ints]:
    """All rows, longest first, in groups whose padded size is limited."""
    order = np.argsort(-row_lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, _NUM_SLOTS_PER_GROUP // max(1, int(row_lengths[order[start]])))
        yield order[start : start + size]
        start += size

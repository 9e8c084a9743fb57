"""What the batches of all kinds of task have in common: padding, the order of training, groups for evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from domainlm.tasks.oversampling import rows_of_epoch

Ints = npt.NDArray[np.int64]

_WIDTH_MULTIPLE = 8
_STEPS_PER_POOL = 50
NUM_SLOTS_PER_GROUP = {"cpu": 2048, "cuda": 16_384}
"""What of a layer stays in a CPU's caches; what keeps a GPU busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBatch:
    """A micro-batch of rows.

    Attributes:
        tokens: sub-tokens, padded to the longest row rounded up to a multiple of 8 [batch, tokens].
        token_types: 0 for the first text of a row, 1 for the second, 0 where there is one [batch, tokens].
        lengths: real sub-tokens of each row [batch].
        num_tokens: real sub-tokens of all rows.
    """

    tokens: torch.Tensor
    token_types: torch.Tensor
    lengths: torch.Tensor
    num_tokens: int

    def to(self, device: torch.device) -> Self:
        """The same micro-batch with its tensors on `device`."""
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        tensors = {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}
        moved: dict[str, Any] = {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}
        return replace(self, **moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledBatch(RowBatch):
    """A micro-batch of labelled slots or of labelled rows.

    Attributes:
        slots: flat places (row * tokens + slot) whose states are read: those whose label counts, ascending by row
            [num_slots]; or those that tell the label of each row [batch, num_slots].
        labels: label ids [num_slots] or [batch].
        positions: where all rows are laid end to end as one, the place of each slot in its row [1, tokens].
        firsts: then the first slot of each row [batch].
    """

    slots: torch.Tensor
    labels: torch.Tensor
    positions: torch.Tensor | None = None
    firsts: torch.Tensor | None = None

    @property
    def inputs(self) -> tuple[torch.Tensor | None, ...]:
        """What a model's `forward` takes."""
        return self.tokens, self.token_types, self.lengths, self.slots, self.positions, self.firsts

    @property
    def first_slots(self) -> torch.Tensor:
        """Flat place of each row's first slot [batch]."""
        if self.firsts is not None:
            return self.firsts
        num_rows, width = self.tokens.shape
        return torch.arange(0, num_rows * width, width, device=self.tokens.device)


BatchT = TypeVar("BatchT", bound=RowBatch)


def distinct_slots(slots: torch.Tensor) -> torch.Tensor | None:
    """`LabelledBatch.slots` as `EncoderInputs.read`, which takes no place twice; None where one might come twice.

    Several slots of one row may be the same, when the two mentions of a pair are one.
    """
    return slots.flatten() if slots.ndim == 1 or slots.shape[1] == 1 else None


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


class SpecialIds(Protocol):
    """What of a vocabulary every row needs."""

    @property
    def cls_id(self) -> int:
        """Id of [CLS]."""

    @property
    def sep_id(self) -> int:
        """Id of [SEP]."""

    @property
    def pad_id(self) -> int:
        """Id of [PAD]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatRows:
    """Rows of sub-tokens, one after the other.

    Attributes:
        tokens: sub-tokens of all rows, special tokens included [num_tokens].
        row_starts: where each row begins in `tokens`, and where the last one ends [num_rows + 1].
        max_tokens: no row is longer.
        pad_id: what shorter rows are filled up with.
    """

    tokens: npt.NDArray[np.int32]
    row_starts: Ints
    max_tokens: int
    pad_id: int

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.row_starts) - 1

    @property
    def row_lengths(self) -> Ints:
        """Sub-tokens of each row [num_rows]."""
        return np.diff(self.row_starts)

    def padded(self, rows: Ints) -> tuple[torch.Tensor, torch.Tensor]:
        """Some rows as tensors; see `pad_rows`."""
        return pad_rows(self.tokens, self.row_starts, rows, max_tokens=self.max_tokens, pad_id=self.pad_id)


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


class TaskBatches(Generic[BatchT]):
    """The micro-batches of every training step, in the order of `EpochOrder`.

    Every row is seen once an epoch, those with a label besides the most frequent one `minority_views` times.

    Args:
        collate: puts some rows, at least one, into tensors on the CPU.
        row_lengths: sub-tokens of each row [num_rows].
        labels: ids of all labels [num_labels]; one for each row, or several.
        row_of_label: which row each is of [num_labels]; None where each row has one.
        seed: of the order.
        num_rows_per_step: rows of a step.
        num_rows_per_micro_batch: rows at once.
        minority_views: how often a row with a rare label is seen.
    """

    def __init__(
        self,
        collate: Callable[[Ints], BatchT],
        row_lengths: Ints,
        labels: npt.NDArray[np.integer],
        row_of_label: Ints | None,
        *,
        seed: int,
        num_rows_per_step: int,
        num_rows_per_micro_batch: int,
        minority_views: int = 1,
    ) -> None:
        self._collate, self._num_rows_per_micro_batch = collate, num_rows_per_micro_batch
        row_of_label = np.arange(len(row_lengths), dtype=np.int64) if row_of_label is None else row_of_label
        epoch_rows = rows_of_epoch(labels, row_of_label, len(row_lengths), minority_views)
        self._order = EpochOrder(row_lengths, seed=seed, num_rows_per_step=num_rows_per_step, epoch_rows=epoch_rows)

    @property
    def num_steps_per_epoch(self) -> int:
        """Steps that together see all rows of an epoch; one of them is smaller where the numbers do not divide."""
        return self._order.num_steps_per_epoch

    def rows(self, step: int) -> Ints:
        """The rows of the step that follows `step` done ones, shortest first."""
        return self._order.rows(step)

    def micro_batches(self, step: int) -> Sequence[BatchT]:
        """The micro-batches of the step that follows `step` done ones."""
        rows, size = self.rows(step), self._num_rows_per_micro_batch
        return [self._collate(rows[start : start + size]) for start in range(0, len(rows), size)]


def row_groups(row_lengths: Ints, device: torch.device) -> Iterator[Ints]:
    """All rows, longest first, in groups whose padded size suits the device; rows of one width are always as many."""
    order = np.argsort(-row_lengths, kind="stable")
    num_slots = NUM_SLOTS_PER_GROUP[device.type]
    start = 0
    while start < len(order):
        width = -(-max(1, int(row_lengths[order[start]])) // _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE
        size = max(1, num_slots // width)
        yield order[start : start + size]
        start += size

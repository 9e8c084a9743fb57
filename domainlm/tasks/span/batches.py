"""Rows to tensors, and the order in which training sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from domainlm.tasks.batches import EpochOrder
from domainlm.tasks.oversampling import rows_of_epoch
from domainlm.tasks.span.alignment import Ints
from domainlm.tasks.span.features import NO_ANSWER_SLOT, SpanFeatures

_WIDTH_MULTIPLE = 8


@dataclass(frozen=True, slots=True)
class SpanBatch:
    """A micro-batch of rows.

    Attributes:
        tokens: sub-tokens, padded to the longest row rounded up to a multiple of 8 [batch, tokens].
        token_types: 0 for [CLS], the question and the [SEP] after it, 1 for the rest of the row [batch, tokens].
        lengths: real sub-tokens of each row [batch].
        candidates: slots where an answer may begin or end: those of the context, and [CLS] for none [batch, tokens].
        starts: slots where a right answer begins; [CLS] alone for rows without one [batch, tokens].
        ends: slots where a right answer ends, likewise [batch, tokens].
        num_tokens: real sub-tokens of all rows.
    """

    tokens: torch.Tensor
    token_types: torch.Tensor
    lengths: torch.Tensor
    candidates: torch.Tensor
    starts: torch.Tensor
    ends: torch.Tensor
    num_tokens: int

    def to(self, device: torch.device) -> SpanBatch:
        """The same micro-batch with its tensors on `device`."""
        return replace(
            self,
            tokens=self.tokens.to(device, non_blocking=True),
            token_types=self.token_types.to(device, non_blocking=True),
            lengths=self.lengths.to(device, non_blocking=True),
            candidates=self.candidates.to(device, non_blocking=True),
            starts=self.starts.to(device, non_blocking=True),
            ends=self.ends.to(device, non_blocking=True),
        )


def collate(features: SpanFeatures, numbers: Ints) -> SpanBatch:
    """Put some rows, at least one, into tensors on the CPU."""
    lengths = features.row_lengths[numbers]
    width = min(-(-int(lengths.max()) // _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE, features.max_tokens)
    encoder = features.encoder
    tokens = np.full((len(numbers), width), encoder.pad_id, dtype=np.int64)
    types = np.zeros(tokens.shape, dtype=np.int64)
    candidates, starts, ends = (np.zeros(tokens.shape, dtype=np.bool_) for _ in range(3))
    candidates[:, NO_ANSWER_SLOT] = True
    for place, number in enumerate(numbers.tolist()):
        row = features.rows[number]
        question, context = features.questions[row.example], features.contexts[row.example]
        first, last = 2 + len(question), int(lengths[place]) - 1
        tokens[place, 0] = encoder.cls_id
        tokens[place, 1 : first - 1] = question
        tokens[place, [first - 1, last]] = encoder.sep_id
        tokens[place, first:last] = context.tokens[row.start : row.end]
        types[place, first : last + 1] = 1
        candidates[place, first:last] = context.starts[row.start : row.end] < context.ends[row.start : row.end]
        for answer in row.answers:
            starts[place, answer.first + features.offset(row)] = True
            ends[place, answer.last + features.offset(row)] = True
        if not row.answers:
            starts[place, NO_ANSWER_SLOT] = ends[place, NO_ANSWER_SLOT] = True
    return SpanBatch(
        tokens=torch.from_numpy(tokens),
        token_types=torch.from_numpy(types),
        lengths=torch.from_numpy(lengths),
        candidates=torch.from_numpy(candidates | starts | ends),
        starts=torch.from_numpy(starts),
        ends=torch.from_numpy(ends),
        num_tokens=int(lengths.sum()),
    )


class SpanBatches:
    """The micro-batches of every training step.

    Each epoch sees every row once; of rows with an answer and those without, the rarer ones `minority_views` times.
    """

    def __init__(
        self,
        features: SpanFeatures,
        *,
        seed: int,
        num_rows_per_step: int,
        num_rows_per_micro_batch: int,
        minority_views: int = 1,
    ) -> None:
        self._features = features
        has_answer = np.array([bool(row.answers) for row in features.rows], dtype=np.int64)
        epoch_rows = rows_of_epoch(has_answer, np.arange(len(has_answer)), len(has_answer), minority_views)
        self._order = EpochOrder(
            features.row_lengths, seed=seed, num_rows_per_step=num_rows_per_step, epoch_rows=epoch_rows
        )
        self._num_rows_per_micro_batch = num_rows_per_micro_batch

    @property
    def num_steps_per_epoch(self) -> int:
        """Steps of one epoch; one of them is smaller where the numbers do not divide."""
        return self._order.num_steps_per_epoch

    def micro_batches(self, step: int) -> Sequence[SpanBatch]:
        """The micro-batches of the step that follows `step` done ones."""
        rows = self._order.rows(step)
        size = self._num_rows_per_micro_batch
        return [collate(self._features, rows[start : start + size]) for start in range(0, len(rows), size)]

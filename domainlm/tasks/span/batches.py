"""Rows to tensors, and the order in which training sees them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from domainlm.tasks.batches import Ints, RowBatch, TaskBatches
from domainlm.tasks.span.features import NO_ANSWER_SLOT, SpanFeatures

_WIDTH_MULTIPLE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanBatch(RowBatch):
    """A micro-batch of questions with a part of their contexts; the first text is the question.

    Attributes:
        candidates: slots where an answer may begin or end: those of the context, and [CLS] for none [batch, tokens].
        starts: slots where a right answer begins; [CLS] alone for rows without one [batch, tokens].
        ends: slots where a right answer ends, likewise [batch, tokens].
    """

    candidates: torch.Tensor
    starts: torch.Tensor
    ends: torch.Tensor


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


def training_batches(features: SpanFeatures, **how: int) -> TaskBatches[SpanBatch]:
    """The batches of training; `how` is as for `TaskBatches`. A row's label is whether it has an answer."""
    has_answer = np.array([bool(row.answers) for row in features.rows], dtype=np.int64)
    return TaskBatches(partial(collate, features), features.row_lengths, has_answer, None, **how)

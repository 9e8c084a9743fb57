"""Questions and contexts to rows `[CLS] question [SEP] part of the context [SEP]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from domainlm.api import ProblemLog, SpanExample
from domainlm.recipe.span_settings import SpanSettings
from domainlm.tasks.batches import Ints
from domainlm.tasks.span.alignment import EncodedText, TextEncoder, TokenSpan, encode_texts

NUM_SPECIAL_TOKENS = 3
NO_ANSWER_SLOT = 0
"""[CLS], where rows point that do not hold the answer."""

CUT_QUESTION = "question cut to its first sub-tokens"
SNAPPED = "answer borders moved outward to sub-token borders, in training"
NOT_TRAINED = "not trained on: the answer is not in the context"
TOO_LONG = "not trained on: the answer is longer than a window"


class Row(NamedTuple):
    """A window of an example's context.

    Attributes:
        example: number of the example.
        start: first sub-token of the context that is in the window.
        end: one after the last.
        answers: the sub-tokens of the context that are right, all of them in the window; empty where it has none.
    """

    example: int
    start: int
    end: int
    answers: tuple[TokenSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class SpanFeatures:
    """The rows of a data set.

    Attributes:
        questions: sub-tokens of each example's question, cut to the longest allowed.
        contexts: of each example; examples with the same context share one object.
        rows: all windows, those of an example one after the other. None for an example without sub-tokens.
        row_lengths: sub-tokens of each row, special ones included [num_rows].
        encoder: for the ids of the special tokens.
        max_tokens: no row is longer.
    """

    questions: Sequence[Sequence[int]]
    contexts: Sequence[EncodedText]
    rows: Sequence[Row]
    row_lengths: Ints
    encoder: TextEncoder
    max_tokens: int

    @property
    def num_rows(self) -> int:
        """How many rows."""
        return len(self.rows)

    def offset(self, row: Row) -> int:
        """Slot of a row that holds its first sub-token of the context, minus that sub-token's number."""
        return 2 + len(self.questions[row.example]) - row.start


def window_starts(num_tokens: int, room: int, stride: int) -> list[int]:
    """First sub-token of each window of `room` sub-tokens; the last window reaches the end (Devlin et al. 2019).

    Windows begin `stride` apart, or half of the room where that is less, so that neighbours share at least half.
    """
    step = max(min(stride, room // 2), 1)
    return list(range(0, max(num_tokens - room, 0) + step, step)) if num_tokens else []


def build_features(
    examples: Sequence[SpanExample],
    encoder: TextEncoder,
    settings: SpanSettings,
    max_tokens: int,
    *,
    problems: ProblemLog,
    trains: bool,
) -> SpanFeatures:
    """Cut examples into rows.

    Args:
        examples: the questions.
        encoder: the vocabulary.
        settings: stride and longest question.
        max_tokens: longest row in sub-tokens, special tokens included.
        problems: told of questions that are cut and, in training, of answers that move or cannot be trained on.
        trains: whether answers are looked for. Examples whose answer is not known to be in the context, nor known not
            to be there, then give no rows; windows without the whole answer are rows without one.
    """
    room = max_tokens - NUM_SPECIAL_TOKENS
    max_question = min(settings.max_question_tokens, room // 2)
    questions = encode_texts((example.question for example in examples), encoder)
    contexts = encode_texts((example.context for example in examples), encoder)
    kept: list[list[int]] = []
    rows: list[Row] = []
    for number, example in enumerate(examples):
        question = questions[example.question].tokens.tolist()
        if len(question) > max_question:
            problems.add(CUT_QUESTION, f"{len(question)} to {max_question}", path=example.id)
        kept.append(question[:max_question])
        context = contexts[example.context]
        width = room - len(kept[-1])
        starts = window_starts(len(context.tokens), width, settings.num_stride_tokens)
        windows = [Row(number, start, min(start + width, len(context.tokens))) for start in starts]
        rows += _with_answers(windows, example, context, problems) if trains else windows
    lengths = [NUM_SPECIAL_TOKENS + len(kept[row.example]) + row.end - row.start for row in rows]
    return SpanFeatures(
        questions=kept,
        contexts=[contexts[example.context] for example in examples],
        rows=rows,
        row_lengths=np.array(lengths, dtype=np.int64),
        encoder=encoder,
        max_tokens=max_tokens,
    )


def answer_spans(example: SpanExample, context: EncodedText, problems: ProblemLog | None = None) -> list[TokenSpan]:
    """The sub-tokens of each answer of an example, each run of them once, ascending."""
    found: set[TokenSpan] = set()
    for answer in example.answers:
        span = context.cover(answer.start, answer.end)
        if span is None:
            continue
        found.add(span)
        start, end = context.characters(span)
        if problems is not None and (start, end) != (answer.start, answer.end):
            problems.add(SNAPPED, f"{answer.text!r} to {example.context[start:end]!r}", path=example.id)
    return sorted(found)


def _with_answers(windows: list[Row], example: SpanExample, context: EncodedText, problems: ProblemLog) -> list[Row]:
    if example.is_impossible:
        return windows
    spans = answer_spans(example, context, problems)
    if not spans:
        problems.add(NOT_TRAINED, repr(example.gold[:1]), path=example.id)
        return []
    rows = [
        row._replace(answers=tuple(span for span in spans if row.start <= span.first and span.last < row.end))
        for row in windows
    ]
    if any(row.answers for row in rows):
        return rows
    problems.add(TOO_LONG, f"{min(span.last - span.first + 1 for span in spans)} sub-tokens", path=example.id)
    return []


def rows_of_examples(features: SpanFeatures) -> list[slice]:
    """Where the rows of each example are."""
    numbers = np.array([row.example for row in features.rows], dtype=np.int64)
    borders = np.searchsorted(numbers, np.arange(len(features.questions) + 1)).tolist()
    return [slice(first, last) for first, last in pairwise(borders)]

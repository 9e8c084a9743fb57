"""The best answers of each context by a trained model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from domainlm.api import SpanExample
from domainlm.parallel.device import Device
from domainlm.progress import Bar
from domainlm.recipe.span_settings import SpanSettings
from domainlm.tasks.batches import row_groups
from domainlm.tasks.span.alignment import TokenSpan
from domainlm.tasks.span.batches import collate
from domainlm.tasks.span.features import NO_ANSWER_SLOT, SpanFeatures, rows_of_examples


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible answer: characters `start` to `end` (exclusive) of the context.

    Attributes:
        start: first character.
        end: one after the last.
        text: these characters.
        score: sum of the scores (logits) of beginning and end; the best one where several windows have it.
        probability: softmax of `score` over the candidates of the context, "no answer" included where the model was
            trained to give none.
    """

    start: int
    end: int
    text: str
    score: float
    probability: float


@dataclass(frozen=True, slots=True)
class ContextAnswers:
    """What a model finds in one context.

    Attributes:
        candidates: the best first; none for a context without sub-tokens.
        no_answer_score: sum of the scores of [CLS], the lowest of all windows; infinity for a context without any.
    """

    candidates: tuple[Candidate, ...]
    no_answer_score: float

    @property
    def margin(self) -> float:
        """Score of no answer minus that of the best candidate; infinity where there is none."""
        return self.no_answer_score - self.candidates[0].score if self.candidates else math.inf

    @property
    def text(self) -> str:
        """The best candidate's text; empty where there is none."""
        return self.candidates[0].text if self.candidates else ""


@dataclass(frozen=True, slots=True)
class _RowAnswers:
    """The best runs of sub-tokens of a row, and the score of no answer."""

    spans: Sequence[tuple[TokenSpan, float]]
    no_answer_score: float


@torch.inference_mode()
def find_answers(
    model: nn.Module,
    examples: Sequence[SpanExample],
    features: SpanFeatures,
    device: Device,
    settings: SpanSettings,
    *,
    allows_none: bool,
    shows_progress: bool = False,
) -> list[ContextAnswers]:
    """The answers to every example; rows of similar length go through the model together.

    The caller puts the model into evaluation mode.

    Args:
        model: takes and gives what a `SpanModel` does, on whatever ranks it is.
        examples: the questions.
        features: of the same examples.
        device: where to compute.
        settings: longest answer, and how many are kept.
        allows_none: whether "no answer" shares the probability.
        shows_progress: on a terminal.
    """
    found: list[_RowAnswers | None] = [None] * features.num_rows
    is_silent = None if shows_progress else True  # None: silent where stderr is no terminal
    bar = Bar(total=features.num_rows, desc="answering", unit=" rows", leave=False, disable=is_silent)
    with bar, device.predicting(model):
        for numbers in row_groups(features.row_lengths, device.torch_device):
            batch = collate(features, numbers).to(device.torch_device)
            starts, ends = model(batch.tokens, batch.token_types, batch.lengths, batch.candidates)
            for number, answers in zip(numbers.tolist(), _best_of_rows(starts, ends, settings), strict=True):
                offset = features.offset(features.rows[number])
                spans = [(TokenSpan(span.first - offset, span.last - offset), each) for span, each in answers.spans]
                found[number] = _RowAnswers(spans, answers.no_answer_score)
            bar.update(len(numbers))
    return [
        _merge_windows(example, features, number, [row for row in found[rows] if row], settings, allows_none)
        for number, (example, rows) in enumerate(zip(examples, rows_of_examples(features), strict=True))
    ]


def _best_of_rows(starts: torch.Tensor, ends: torch.Tensor, settings: SpanSettings) -> list[_RowAnswers]:
    """The best runs of slots of each row: all pairs of beginning and end that are not too far apart are compared."""
    no_answer = (starts[:, NO_ANSWER_SLOT] + ends[:, NO_ANSWER_SLOT]).tolist()
    num_rows, width = starts.shape
    longest = min(settings.max_answer_tokens, width)
    starts = starts.index_fill(1, torch.tensor([NO_ANSWER_SLOT], device=starts.device), -math.inf)
    padded = nn.functional.pad(ends, (0, longest - 1), value=-math.inf)
    totals = (starts.unsqueeze(-1) + padded.unfold(1, longest, 1)).reshape(num_rows, -1)
    best = totals.topk(min(settings.num_best, totals.shape[1]), dim=-1)
    rows: list[_RowAnswers] = []
    for values, places, score in zip(best.values.tolist(), best.indices.tolist(), no_answer, strict=True):
        spans = []
        for value, place in zip(values, places, strict=True):
            if value > -math.inf:
                first, more = divmod(place, longest)
                spans.append((TokenSpan(first, first + more), value))
        rows.append(_RowAnswers(spans, score))
    return rows


def _merge_windows(
    example: SpanExample,
    features: SpanFeatures,
    number: int,
    rows: Sequence[_RowAnswers],
    settings: SpanSettings,
    allows_none: bool,
) -> ContextAnswers:
    context = features.contexts[number]
    best: dict[tuple[int, int], float] = {}
    for row in rows:
        for span, score in row.spans:
            place = context.characters(span)
            if place[0] < place[1]:
                best[place] = max(best.get(place, -math.inf), score)
    kept = sorted(best.items(), key=lambda item: (-item[1], item[0]))[: settings.num_best]
    no_answer = min((row.no_answer_score for row in rows), default=math.inf)
    scores = [score for _, score in kept]
    shared = [*scores, no_answer] if allows_none and rows else scores
    top = max(shared, default=0.0)
    total = sum(math.exp(score - top) for score in shared)
    candidates = tuple(
        Candidate(start, end, example.context[start:end], score, math.exp(score - top) / total)
        for (start, end), score in kept
    )
    return ContextAnswers(candidates, no_answer)

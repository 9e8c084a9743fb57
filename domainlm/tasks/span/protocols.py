"""Answers to scores and predictions, by the protocol that a split asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from domainlm.api import SpanExample, Split
from domainlm.tasks.kind import Evaluation
from domainlm.tasks.scores import Json, TaskScore
from domainlm.tasks.span import factoid, squad
from domainlm.tasks.span.inference import Candidate, ContextAnswers
from domainlm.tasks.span.squad import Decision, Match, Means

Protocol = Literal["v1", "v2", "factoid"]
CHOICE_METRICS: Mapping[Protocol, str] = {"v1": "f1", "v2": "f1", "factoid": "mrr"}

_NUM_SHOWN = 5
_SCORE_DIGITS = 6


def protocol_of(examples: Sequence[SpanExample], *, allows_none: bool) -> Protocol:
    """How a split is scored.

    Args:
        examples: of the split. Where any of them belongs to a group, groups are scored.
        allows_none: whether any split of the task has a question without an answer.
    """
    if any(example.group for example in examples):
        return "factoid"
    return "v2" if allows_none else "v1"


def evaluate_v1(split: Split, examples: Sequence[SpanExample], found: Sequence[ContextAnswers]) -> Evaluation:
    """Score each question by its best answer."""
    matches = [squad.match_v1(each.text, example.gold) for example, each in zip(examples, found, strict=True)]
    predictions = [_prediction(*each) for each in zip(examples, found, matches, strict=True)]
    return Evaluation(_squad_scores(split, squad.PROTOCOL_V1, {"": matches}), predictions)


def decide(examples: Sequence[SpanExample], found: Sequence[ContextAnswers]) -> list[Decision]:
    """What a threshold is chosen by."""
    return [
        Decision(squad.match_v2(each.text, example.gold), squad.match_v2("", example.gold), each.margin)
        for example, each in zip(examples, found, strict=True)
    ]


def evaluate_v2(
    split: Split, examples: Sequence[SpanExample], found: Sequence[ContextAnswers], threshold: float
) -> Evaluation:
    """Score each question by its best answer, or by none where the margin of "no answer" is above the threshold."""
    matches: list[Match] = []
    predictions: list[Mapping[str, Json]] = []
    for example, each, decision in zip(examples, found, decide(examples, found), strict=True):
        is_answered = decision.margin <= threshold
        match = decision.answered if is_answered else decision.unanswered
        matches.append(match)
        margin = round(decision.margin, _SCORE_DIGITS) if math.isfinite(decision.margin) else None
        extra: dict[str, Json] = {"is_answered": is_answered, "no_answer_margin": margin}
        predictions.append({**_prediction(example, each, match), **extra})
    by_type = {
        "": matches,
        squad.HAS_ANSWER: [match for match, each in zip(matches, examples, strict=True) if each.gold],
        squad.NO_ANSWER: [match for match, each in zip(matches, examples, strict=True) if not each.gold],
    }
    return Evaluation(_squad_scores(split, squad.PROTOCOL_V2, by_type), predictions)


def evaluate_factoid(split: Split, examples: Sequence[SpanExample], found: Sequence[ContextAnswers]) -> Evaluation:
    """Merge the answers of each group's contexts and score groups; an example without a group is one by itself."""
    groups: dict[tuple[bool, str], list[tuple[SpanExample, ContextAnswers]]] = {}
    for example, each in zip(examples, found, strict=True):
        key = (bool(example.group), example.group or example.id)
        groups.setdefault(key, []).append((example, each))
    ranks: list[int | None] = []
    predictions: list[Mapping[str, Json]] = []
    for (_, name), members in groups.items():
        accepted = list(dict.fromkeys(text for example, _ in members for text in example.gold))
        ranked = merge_contexts([each for _, each in members])
        rank = factoid.first_right([each.text for each in ranked], accepted)
        ranks.append(rank)
        predicted: list[Json] = [{"text": each.text, "score": round(each.score, _SCORE_DIGITS)} for each in ranked]
        question = members[0][0].question
        reached: dict[str, Json] = {
            "mrr": 1 / rank if rank else 0.0,
            "strict_accuracy": float(rank == 1),
            "lenient_accuracy": float(rank is not None),
        }
        record: dict[str, Json] = {"id": name, "question": question, "gold": [*accepted], "predicted": predicted}
        predictions.append(record | reached)
    scores = factoid.score_ranks(ranks)
    counts = {"questions": scores.num_questions, "first": scores.num_strict, "among_five": scores.num_lenient}
    return Evaluation(
        [
            _score(split, metric, factoid.PROTOCOL, getattr(scores, metric), "", counts, factoid.SCORER)
            for metric in ("mrr", "strict_accuracy", "lenient_accuracy")
        ],
        predictions,
    )


def merge_contexts(found: Sequence[ContextAnswers]) -> tuple[factoid.Ranked, ...]:
    """The ranked answers to one question from all its contexts."""
    return factoid.merge_candidates(
        (candidate.text, candidate.probability) for each in found for candidate in each.candidates
    )


def _prediction(example: SpanExample, found: ContextAnswers, match: Match) -> dict[str, Json]:
    predicted: list[Json] = [as_json(candidate) for candidate in found.candidates[:_NUM_SHOWN]]
    reached: dict[str, Json] = {"f1": match.f1, "exact_match": match.exact}
    record: dict[str, Json] = {"id": example.id, "question": example.question}
    return {**record, "gold": [*example.gold], "predicted": predicted, **reached}


def as_json(candidate: Candidate) -> dict[str, Json]:
    """An answer with its offsets and its probability as `score`."""
    score = round(candidate.probability, _SCORE_DIGITS)
    return {"text": candidate.text, "start": candidate.start, "end": candidate.end, "score": score}


def _squad_scores(split: Split, protocol: str, by_type: Mapping[str, Sequence[Match]]) -> list[TaskScore]:
    scores: list[TaskScore] = []
    for name, matches in by_type.items():
        means = Means.of(matches)
        counts = {"questions": means.num_questions, "exact": means.num_exact}
        if means.num_questions:
            scores.append(_score(split, "f1", protocol, means.f1, name, counts, squad.SCORER))
            scores.append(_score(split, "exact_match", protocol, means.exact_match, name, counts, squad.SCORER))
    return scores


def _score(
    split: Split, metric: str, protocol: str, value: float, name: str, counts: Mapping[str, int], scorer: str
) -> TaskScore:
    return TaskScore(
        split=split, metric=metric, protocol=protocol, value=value, type=name, counts=counts, scorer=scorer
    )

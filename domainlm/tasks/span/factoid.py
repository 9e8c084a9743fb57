"""Ranked answers to questions that have several contexts, and how they are scored.

Candidates of all contexts are merged by their lower-cased text, probabilities added; empty ones and those of more
than 100 characters are dropped, and the best five are kept (Lee et al. 2020). A candidate is right where its
lower-cased text is that of an accepted answer, character by character but for white space at its ends. With r the rank
of the first right one:

    strict accuracy = share of the questions with r = 1, lenient accuracy = share with r <= 5,
    MRR = mean of 1 / r, 0 where no candidate is right

over all questions, those without any candidate included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_RANKED = 5
PROTOCOL = f"factoid@{MAX_RANKED}"
SCORER = "factoid:2"
"""With the version of the rules above, for signatures."""

_MAX_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Ranked:
    """An answer from one or several contexts.

    Attributes:
        text: in the spelling of its likeliest occurrence.
        score: sum of the probabilities that the contexts give to it; up to the number of contexts.
    """

    text: str
    score: float


@dataclass(frozen=True, slots=True)
class FactoidScores:
    """Scores over some questions, each from 0 to 1.

    Attributes:
        strict_accuracy: share of the questions whose first candidate is right.
        lenient_accuracy: share with a right one among the first five.
        mrr: mean reciprocal rank of the first right one.
        num_questions: how many.
        num_strict: questions whose first candidate is right.
        num_lenient: questions with a right one among the first five.
    """

    strict_accuracy: float
    lenient_accuracy: float
    mrr: float
    num_questions: int
    num_strict: int
    num_lenient: int


def merge_candidates(candidates: Iterable[tuple[str, float]]) -> tuple[Ranked, ...]:
    """Rank the candidates of all contexts of one question, the best first.

    Args:
        candidates: text and probability, context by context; of equally good ones the first is ranked higher.
    """
    sums: dict[str, float] = {}
    shown: dict[str, tuple[float, str]] = {}
    for given, probability in candidates:
        text = given.strip()
        key = text.lower()
        if not key or len(text) > _MAX_CHARACTERS:
            continue
        sums[key] = sums.get(key, 0.0) + probability
        if key not in shown or probability > shown[key][0]:
            shown[key] = (probability, text)
    best = sorted(sums, key=lambda key: -sums[key])[:MAX_RANKED]
    return tuple(Ranked(shown[key][1], sums[key]) for key in best)


def first_right(ranked: Sequence[str], accepted: Iterable[str]) -> int | None:
    """Rank (from 1) of the first right one of the first five; None where none is right."""
    right = {text.strip().lower() for text in accepted}
    return next((rank for rank, text in enumerate(ranked[:MAX_RANKED], 1) if text.strip().lower() in right), None)


def score_ranks(ranks: Sequence[int | None]) -> FactoidScores:
    """Scores from the rank of the first right candidate of each question; zeros where there is no question."""
    size = max(len(ranks), 1)
    num_strict = sum(rank == 1 for rank in ranks)
    num_lenient = sum(rank is not None for rank in ranks)
    mrr = sum(1 / rank for rank in ranks if rank is not None) / size
    return FactoidScores(num_strict / size, num_lenient / size, mrr, len(ranks), num_strict, num_lenient)

"""Exact match and F1 of answers, counted as the official evaluation scripts of SQuAD count them.

Sources: the scripts evaluate-v1.1.py (Rajpurkar et al. 2016) and evaluate-v2.0.py (Rajpurkar et al. 2018). Answers are
compared after lower-casing, taking out ASCII punctuation and the English articles a, an and the, and joining what is
left by single blanks: this is made for English. The best of several right answers counts, and scores are means over
all questions. The two versions differ where nothing is left of an answer: in v1.1 its F1 is 0, in v2.0 it is 1 if
nothing is left of the other one either. In v2.0 the right answer of an impossible question is the empty text.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

PROTOCOL_V1 = "SQuAD v1.1"
PROTOCOL_V2 = "SQuAD v2.0"
SCORER = "squad:1"
"""With the version of the rules below, for signatures."""

HAS_ANSWER = "HasAns"
NO_ANSWER = "NoAns"

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Match(NamedTuple):
    """How well one question is answered: both from 0 to 1."""

    exact: float
    f1: float


@dataclass(frozen=True, slots=True)
class Means:
    """Means over some questions.

    Attributes:
        exact_match: share of the questions whose answer is one of the right ones.
        f1: mean over the questions of the F1 of the words.
        num_questions: how many.
        num_exact: how many are answered exactly.
    """

    exact_match: float
    f1: float
    num_questions: int
    num_exact: int

    @classmethod
    def of(cls, matches: Sequence[Match]) -> Means:
        """Means of the questions; zeros where there are none."""
        size = max(len(matches), 1)
        num_exact = sum(match.exact == 1.0 for match in matches)
        return cls(num_exact / size, sum(match.f1 for match in matches) / size, len(matches), num_exact)


def normalise(text: str) -> str:
    """The answer as it is compared."""
    without = text.lower().translate(_WITHOUT_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", without).split())


def match_v1(predicted: str, gold: Iterable[str]) -> Match:
    """Compare with each right answer, at least one, as v1.1 does."""
    found = normalise(predicted)
    right = [normalise(text) for text in gold]
    return Match(float(found in right), max(_f1(found.split(), text.split()) for text in right))


def match_v2(predicted: str, gold: Iterable[str]) -> Match:
    """Compare with each right answer as v2.0 does; none, or none of which anything is left, means no answer."""
    found = normalise(predicted)
    right = [text for text in map(normalise, gold) if text] or [""]
    return Match(float(found in right), max(_f1_or_both_empty(found.split(), text.split()) for text in right))


class Decision(NamedTuple):
    """What is known of one v2.0 question before a threshold is chosen.

    Attributes:
        answered: how well the best answer fits.
        unanswered: how well the empty answer fits.
        margin: score of no answer minus that of the best answer.
    """

    answered: Match
    unanswered: Match
    margin: float


def choose_threshold(decisions: Sequence[Decision]) -> float:
    """The threshold with the highest mean F1; no answer is given where the margin is above it.

    Tried are a threshold below all margins and every margin that occurs; of equally good ones the lowest is taken.
    Questions with an infinite margin (a context without words) are never answered.
    """
    ordered = sorted((each for each in decisions if math.isfinite(each.margin)), key=lambda each: each.margin)
    if not ordered:
        return 0.0
    total = sum(each.unanswered.f1 for each in ordered)
    best, threshold = total, ordered[0].margin - 1.0
    for place, each in enumerate(ordered):
        total += each.answered.f1 - each.unanswered.f1
        is_last_of_equals = place + 1 == len(ordered) or ordered[place + 1].margin > each.margin
        if is_last_of_equals and total > best + _TOLERANCE:
            best, threshold = total, each.margin
    return threshold


_TOLERANCE = 1e-9
"""Sums that differ by less are equal but for rounding."""


def _f1(found: Sequence[str], right: Sequence[str]) -> float:
    num_same = (Counter(found) & Counter(right)).total()
    if not num_same:
        return 0.0
    precision, recall = num_same / len(found), num_same / len(right)
    return 2 * precision * recall / (precision + recall)


def _f1_or_both_empty(found: Sequence[str], right: Sequence[str]) -> float:
    return _f1(found, right) if found and right else float(found == right)

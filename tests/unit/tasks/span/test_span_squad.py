"""Against an independent statement of what the official scripts do."""

from __future__ import annotations

import collections
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.tasks.span.squad import Decision, Match, choose_threshold, match_v1, match_v2, normalise

WORDS = st.sampled_from(
    ["the", "a", "An", "cat", "Cats", "CAT,", "(cat)", "!", "-", "a-b", "ab", "Ärzte", "don't", "_", "an."]
)
ANSWERS = st.lists(WORDS, max_size=6).map(" ".join) | st.text(max_size=12)
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def _official(text: str) -> str:
    """Lower case; no ASCII punctuation; no articles as whole words; single blanks."""
    text = "".join(letter for letter in text.lower() if letter not in PUNCTUATION)
    return " ".join(word for word in re.sub(r"\b(a|an|the)\b", " ", text).split())


def _official_f1(predicted: str, right: str, *, both_empty_is_right: bool) -> float:
    found, gold = _official(predicted).split(), _official(right).split()
    if both_empty_is_right and (not found or not gold):
        return float(found == gold)
    left = collections.Counter(gold)
    num_same = 0
    for word in found:
        if left[word]:
            left[word] -= 1
            num_same += 1
    if num_same == 0:
        return 0.0
    precision, recall = num_same / len(found), num_same / len(gold)
    return (2 * precision * recall) / (precision + recall)


@given(ANSWERS)
def test_answers_are_normalised_as_officially(text: str) -> None:
    assert normalise(text) == _official(text)


@given(ANSWERS, st.lists(ANSWERS, min_size=1, max_size=4))
def test_v1_is_the_official_measure(predicted: str, gold: list[str]) -> None:
    assert match_v1(predicted, gold) == Match(
        max(float(_official(predicted) == _official(each)) for each in gold),
        max(_official_f1(predicted, each, both_empty_is_right=False) for each in gold),
    )


@given(st.just("") | ANSWERS, st.lists(ANSWERS, max_size=4))
def test_v2_is_the_official_measure(predicted: str, gold: list[str]) -> None:
    right = [each for each in gold if _official(each)] or [""]  # evaluate-v2.0.py, get_raw_scores
    assert match_v2(predicted, gold) == Match(
        max(float(_official(predicted) == _official(each)) for each in right),
        max(_official_f1(predicted, each, both_empty_is_right=True) for each in right),
    )


@pytest.mark.parametrize(
    ("predicted", "gold", "exact", "f1"),
    [
        ("The Denver Broncos!", ["Denver Broncos", "Broncos"], 1.0, 1.0),
        ("Denver Broncos team", ["Denver Broncos"], 0.0, 0.8),  # 2 of 3 and 2 of 2
        ("in in Denver", ["in Denver"], 0.0, 0.8),  # a word counts as often as both have it
        ("theatre", ["atre"], 0.0, 0.0),  # articles are whole words
        ("1,000", ["1000"], 1.0, 1.0),
        ("10 – 20", ["10 20"], 0.0, 0.8),  # a dash that is not ASCII stays: 2 of 3 and 2 of 2
    ],
)
def test_cases_worked_by_hand(predicted: str, gold: list[str], exact: float, f1: float) -> None:
    assert match_v1(predicted, gold) == pytest.approx((exact, f1))
    assert match_v2(predicted, gold) == pytest.approx((exact, f1))


def test_the_versions_differ_where_nothing_is_left() -> None:
    assert match_v1("the", ["a"]) == (1.0, 0.0)
    assert match_v2("the", ["a"]) == (1.0, 1.0)
    assert match_v2("", []) == (1.0, 1.0)
    assert match_v2("Denver", []) == (0.0, 0.0)


def _mean_f1(decisions: list[Decision], threshold: float) -> float:
    return sum((each.answered if each.margin <= threshold else each.unanswered).f1 for each in decisions)


@given(
    st.lists(
        st.builds(
            lambda f1, can, margin: Decision(Match(0.0, f1 if can else 0.0), Match(0.0, float(not can)), margin),
            st.sampled_from([0.0, 0.25, 0.5, 1.0]),
            st.booleans(),
            st.integers(-3, 3).map(float),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_no_threshold_is_better_than_the_chosen_one(decisions: list[Decision]) -> None:
    chosen = choose_threshold(decisions)
    tried = [-100.0, *(each.margin for each in decisions), *(each.margin + 0.5 for each in decisions)]
    assert _mean_f1(decisions, chosen) == max(_mean_f1(decisions, each) for each in tried)


def test_questions_that_are_never_answered_choose_no_threshold() -> None:
    never = Decision(Match(0.0, 0.0), Match(1.0, 1.0), math.inf)
    assert choose_threshold([]) == choose_threshold([never]) == 0.0
    assert choose_threshold([never, Decision(Match(1.0, 1.0), Match(0.0, 0.0), -2.5)]) == -2.5

"""Scores of labels: equal to scikit-learn's, and to counts worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from domainlm.tasks.scores import TaskScore
from domainlm.tasks.sequence.pairs import LabelledPair
from domainlm.tasks.sequence.scoring import (
    ALL_GOLD_PROTOCOL,
    ALL_LABELS_PROTOCOL,
    PROTOCOL,
    count_labels,
    label_scores,
    matthews,
    pooled,
    relation_scores,
)

SCORED = ("activates", "blocks", "feeds", "joins", "makes")
LABELS = ("none", *SCORED)

# 16 items. By hand, over the five labels: gold 9 (2 activates, 4 blocks, 1 feeds, 1 joins, 1 makes); found 10 (3, 4, 1,
# 2, 0); right 6 (2, 3, 0, 1, 0). Two items of "none" are found as something, which costs precision alone.
GOLD = ["activates"] * 2 + ["blocks"] * 4 + ["feeds", "joins", "makes"] + ["none"] * 7
GIVEN = (
    ["activates"] * 2 + ["blocks"] * 3 + ["none"] + ["joins", "joins", "feeds"] + ["activates", "blocks"] + ["none"] * 5
)
BY_HAND = {
    "activates": (2, 3, 2), "blocks": (4, 4, 3), "feeds": (1, 1, 0), "joins": (1, 2, 1), "makes": (1, 0, 0),
}  # fmt: skip


def _value(scores: list[TaskScore], metric: str, label: str = "", protocol: str = PROTOCOL) -> float:
    (value,) = (each.value for each in scores if (each.metric, each.type, each.protocol) == (metric, label, protocol))
    return value


def test_counts_worked_by_hand() -> None:
    counts = count_labels(GOLD, GIVEN, SCORED)
    every = pooled(counts)

    assert {label: (each.gold, each.found, each.correct) for label, each in counts.items()} == BY_HAND
    assert (every.gold, every.found, every.correct) == (9, 10, 6)
    assert every.precision == 6 / 10
    assert every.recall == 6 / 9
    assert every.f1 == pytest.approx(12 / 19)


def test_scores_worked_by_hand() -> None:
    scores = label_scores("test", GOLD, GIVEN, LABELS, SCORED)

    assert _value(scores, "accuracy", protocol=ALL_LABELS_PROTOCOL) == 11 / 16
    assert _value(scores, "f1") == pytest.approx(12 / 19)
    # F1 by label: 4/5, 6/8, 0, 2/3, 0.
    assert _value(scores, "macro_f1") == pytest.approx((4 / 5 + 6 / 8 + 2 / 3) / 5)
    assert _value(scores, "precision", "joins") == 1 / 2
    assert _value(scores, "recall", "none") == 5 / 7
    assert {each.labels for each in scores if each.metric == "f1" and not each.type} == {SCORED}


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=60))
@settings(max_examples=30)
def test_scikit_learn_agrees(items: list[tuple[str, str]]) -> None:
    gold, given_ = [each[0] for each in items], [each[1] for each in items]
    scores = label_scores("test", gold, given_, LABELS, SCORED)
    chosen = {"labels": list(SCORED), "zero_division": 0.0}

    for name, judge in (
        ("f1", metrics.f1_score),
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
    ):
        assert _value(scores, name) == pytest.approx(judge(gold, given_, average="micro", **chosen))
        assert _value(scores, f"macro_{name}") == pytest.approx(judge(gold, given_, average="macro", **chosen))
        by_label = judge(gold, given_, average=None, **chosen)
        assert [_value(scores, name, label) for label in SCORED] == pytest.approx(list(by_label))
    accuracy = _value(scores, "accuracy", protocol=ALL_LABELS_PROTOCOL)
    assert accuracy == pytest.approx(metrics.accuracy_score(gold, given_))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=40))
@settings(max_examples=50)
def test_scikit_learn_agrees_on_matthews(items: list[tuple[str, str]]) -> None:
    gold, given_ = [each[0] for each in items], [each[1] for each in items]
    if len({*gold, *given_}) < 2:
        assert matthews(gold, given_) == 0.0
    else:
        assert matthews(gold, given_) == pytest.approx(metrics.matthews_corrcoef(gold, given_))


def test_micro_averages_of_all_labels_are_the_accuracy() -> None:
    scores = label_scores("dev", ["a", "b", "b"], ["a", "a", "b"], ("a", "b"), ("a", "b"))

    assert [_value(scores, name) for name in ("precision", "recall", "f1")] == pytest.approx([2 / 3] * 3)
    assert _value(scores, "accuracy", protocol=ALL_LABELS_PROTOCOL) == pytest.approx(2 / 3)


def test_every_protocol_is_about_one_set_of_labels() -> None:
    """So that scores in one table of a report have one signature."""
    scores = label_scores("test", GOLD, GIVEN, LABELS, SCORED)
    labels = {(each.protocol, each.labels) for each in scores if not each.type}

    assert labels == {(PROTOCOL, SCORED), (ALL_LABELS_PROTOCOL, LABELS)}


def _relation(document: str, first: str, second: str, label: str) -> LabelledPair:
    return (document, first, second), label


def test_relations_that_are_no_example_count_as_missed() -> None:
    """Gold against damaged gold, by hand: one label changed, one relation left out, one made up.

    Of the gold standard one relation lies between sentences and one is the second of its pair: nothing can find them.
    """
    gold = {
        _relation("1", "a", "b", "blocks"),
        _relation("1", "a", "b", "feeds"),  # second label of the pair
        _relation("1", "a", "c", "blocks"),  # between sentences
        _relation("2", "a", "b", "joins"),
        _relation("2", "a", "d", "blocks"),
        _relation("2", "c", "d", "makes"),
    }
    given_ = {
        _relation("1", "a", "b", "blocks"),  # right
        _relation("2", "a", "b", "blocks"),  # another label
        _relation("2", "a", "d", "blocks"),  # right
        _relation("2", "c", "d", "none"),  # left out
        _relation("2", "c", "b", "makes"),  # made up
        _relation("2", "a", "c", "none"),
    }
    scores = relation_scores("test", gold, given_, SCORED)

    assert _value(scores, "precision", protocol=ALL_GOLD_PROTOCOL) == 2 / 4
    assert _value(scores, "recall", protocol=ALL_GOLD_PROTOCOL) == 2 / 6
    assert _value(scores, "f1", protocol=ALL_GOLD_PROTOCOL) == pytest.approx(4 / 10)
    assert _value(scores, "recall", "blocks", ALL_GOLD_PROTOCOL) == 2 / 3
    (pooled_f1,) = (each for each in scores if each.metric == "f1" and not each.type)
    assert pooled_f1.counts == {"gold": 6, "found": 4, "correct": 2}


def test_a_scored_label_that_no_example_has_counts_in_the_macro_average() -> None:
    scores = label_scores("dev", ["a", "b"], ["a", "b"], ("a", "b"), ("a", "c"))
    found = {score.metric: score.value for score in scores if not score.type}
    assert (found["f1"], found["macro_f1"]) == (1.0, 0.5)

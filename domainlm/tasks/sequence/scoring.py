"""Scores of single labels: accuracy, precision, recall and F1 by label, pooled (micro) and averaged (macro).

Which labels are pooled is part of the score: with "no relation" left out of them, an item of that label that is given
another one counts as found and not as right, and so lowers the precision; and an item of a scored label that is given
"no relation" counts as missed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from domainlm.api import Split
from domainlm.tasks.counts import Counts
from domainlm.tasks.scores import TaskScore
from domainlm.tasks.sequence.pairs import LabelledPair

SCORER = "labels:1"
"""With the version of the rules below, for signatures."""

PROTOCOL = "scored labels"
ALL_LABELS_PROTOCOL = "all labels"
ALL_GOLD_PROTOCOL = "all gold relations"


def count_labels(gold: Sequence[str], given: Sequence[str], labels: Iterable[str]) -> dict[str, Counts]:
    """Counts of each of `labels`, for items with the labels `gold` that were given the labels `given`."""
    golds, founds = Counter(gold), Counter(given)
    corrects = Counter(right for right, found in zip(gold, given, strict=True) if right == found)
    return {label: Counts(golds[label], founds[label], corrects[label]) for label in labels}


def count_relations(
    gold: Collection[LabelledPair], given: Collection[LabelledPair], labels: Iterable[str]
) -> dict[str, Counts]:
    """Counts of each of `labels` over relations, whether or not an example stands for them.

    Args:
        gold: every relation there is, each once.
        given: every relation that was found, each once.
        labels: the labels to count.
    """
    golds = Counter(label for _, label in gold)
    founds = Counter(label for _, label in given)
    corrects = Counter(label for _, label in set(gold) & set(given))
    return {label: Counts(golds[label], founds[label], corrects[label]) for label in labels}


def pooled(by_label: Mapping[str, Counts]) -> Counts:
    """The counts of all labels added: what micro averages are made of."""
    every = by_label.values()
    return Counts(
        sum(each.gold for each in every), sum(each.found for each in every), sum(each.correct for each in every)
    )


def matthews(gold: Sequence[str], given: Sequence[str]) -> float:
    """Matthews' correlation coefficient for several classes (Gorodkin 2004, R_K), from -1 to 1; 0 where undefined."""
    num_items, golds, founds = len(gold), Counter(gold), Counter(given)
    num_right = sum(right == found for right, found in zip(gold, given, strict=True))
    covariance = num_right * num_items - sum(golds[label] * founds[label] for label in golds)
    spread = (num_items**2 - sum(count**2 for count in golds.values())) * (
        num_items**2 - sum(count**2 for count in founds.values())
    )
    return covariance / math.sqrt(spread) if spread else 0.0


def label_scores(
    split: Split, gold: Sequence[str], given: Sequence[str], labels: Sequence[str], scored: Sequence[str]
) -> list[TaskScore]:
    """Every score of one split, the pooled ones first.

    Args:
        split: which.
        gold: the right label of each example.
        given: the label each was given.
        labels: all labels there are.
        scored: those that precision, recall and F1 are about, also if no example has them. Where they are all of them,
            each micro average is the accuracy.
    """
    by_label = count_labels(gold, given, dict.fromkeys((*labels, *scored)))
    counted = {label: by_label[label] for label in scored}
    macro = {name: sum(getattr(each, name) for each in counted.values()) / len(counted) for name in _METRICS}
    num_right = sum(right == found for right, found in zip(gold, given, strict=True))
    right = {"examples": len(gold), "correct": num_right}
    every = tuple(labels)
    return [
        *_pooled_scores(split, counted, PROTOCOL),
        *(_score(split, f"macro_{name}", value, tuple(scored)) for name, value in macro.items()),
        _score(split, "accuracy", num_right / len(gold), every, right, protocol=ALL_LABELS_PROTOCOL),
        _score(split, "matthews", matthews(gold, given), every, protocol=ALL_LABELS_PROTOCOL),
        *_scores_by_label(split, by_label, PROTOCOL),
    ]


def relation_scores(
    split: Split, gold: Collection[LabelledPair], given: Collection[LabelledPair], scored: Sequence[str]
) -> list[TaskScore]:
    """Scores over all gold relations of the scored labels, those that are no example counting as missed."""
    by_label = count_relations(gold, given, scored)
    pooled_scores = _pooled_scores(split, by_label, ALL_GOLD_PROTOCOL)
    return pooled_scores + _scores_by_label(split, by_label, ALL_GOLD_PROTOCOL)


_METRICS = ("precision", "recall", "f1")


def _pooled_scores(split: Split, by_label: Mapping[str, Counts], protocol: str) -> list[TaskScore]:
    every, labels = pooled(by_label), tuple(by_label)
    return [_score(split, name, getattr(every, name), labels, every.as_dict(), protocol=protocol) for name in _METRICS]


def _scores_by_label(split: Split, by_label: Mapping[str, Counts], protocol: str) -> list[TaskScore]:
    return [
        _score(split, name, getattr(each, name), (label,), each.as_dict(), protocol=protocol, label=label)
        for label, each in by_label.items()
        for name in _METRICS
    ]


def _score(
    split: Split,
    metric: str,
    value: float,
    labels: tuple[str, ...],
    counts: Mapping[str, int] | None = None,
    *,
    protocol: str = PROTOCOL,
    label: str = "",
) -> TaskScore:
    return TaskScore(
        split=split,
        metric=metric,
        protocol=protocol,
        value=value,
        type=label,
        counts=counts or {},
        scorer=SCORER,
        labels=labels,
    )

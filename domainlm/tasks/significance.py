"""Whether two models differ by more than chance: paired approximate randomisation (Noreen 1989; Yeh 2000 for F1).

The same texts were given to both models. Where the models did not differ, it would not matter which of them gave the
answer to a text; so the answers to each text are swapped or not by the toss of a coin, the scores are counted again,
and the share of such rounds whose difference is at least the observed one is the p-value. No distribution is assumed.
The unit that is swapped is the document, since errors within one hang together, or what comes closest to it
(`domainlm.tasks.units`). Several seeds of a model are pooled: the answers of all its seeds to a document are swapped at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Metric = Callable[[Numbers], Numbers]
"""From sums over units [..., num_sums] to scores [...]."""

_ROUNDS_AT_ONCE = 256


def f1_of_sums(sums: Numbers) -> Numbers:
    """F1 from the numbers of gold items, found items and right ones: [..., 3] to [...]; 0 where nothing is right."""
    gold, found, correct = np.moveaxis(sums, -1, 0)
    return np.asarray(2 * correct / np.maximum(gold + found, 1.0))


def mean_of_sums(sums: Numbers) -> Numbers:
    """Mean from numbers of items and sums of their scores: [..., 2] to [...]; 0 where there is no item."""
    count, total = np.moveaxis(sums, -1, 0)
    return np.asarray(total / np.maximum(count, 1.0))


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of a test.

    Attributes:
        first: score of the first model, or the mean of its scores over data sets.
        second: that of the second one.
        p_value: two-sided; (rounds with at least this difference + 1) / (rounds + 1), so never 0.
        num_units: documents, or whatever was swapped, of all data sets.
        num_rounds: random swaps.
        interval: 95 % bootstrap interval of first - second, over the same units (percentiles; Efron 1979).
    """

    first: float
    second: float
    p_value: float
    num_units: int
    num_rounds: int
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class UnitPair:
    """What two models' scores on one data set are counted from.

    Attributes:
        first: of the first model, for each unit [num_units, num_sums].
        second: the same of the second one.
        metric: from sums over units to scores.
    """

    first: Numbers
    second: Numbers
    metric: Metric


def compare_units(
    first: Numbers, second: Numbers, metric: Metric, *, num_rounds: int = 10_000, seed: int = 0
) -> Comparison:
    """Test whether two models' scores on one data set differ; see `compare_means`.

    Raises:
        ValueError: the models have other numbers of units, or there is none.
    """
    return compare_means([UnitPair(first, second, metric)], num_rounds=num_rounds, seed=seed)


def compare_means(pairs: Sequence[UnitPair], *, num_rounds: int = 10_000, seed: int = 0) -> Comparison:
    """Test whether two models' mean scores over data sets differ, each data set weighing the same.

    Answers are swapped, and units drawn, within each data set.

    Args:
        pairs: one for each data set.
        num_rounds: random swaps; the p-value's standard error is below 0.5 / sqrt(num_rounds).
        seed: of the swaps and of the bootstrap. The same arguments give the same numbers.

    Raises:
        ValueError: there is no data set, or the models have other numbers of units on one, or none.
    """
    if not pairs:
        raise ValueError("no data set to compare on")
    for pair in pairs:
        if pair.first.shape != pair.second.shape or not len(pair.first):
            raise ValueError(
                f"units of both models must be the same, and some: {pair.first.shape}, {pair.second.shape}"
            )
    rounds = [_rounds(pair, num_rounds, seed + place) for place, pair in enumerate(pairs)]
    scores = np.mean([each.scores for each in rounds], axis=0)
    shuffled = np.mean([each.shuffled for each in rounds], axis=0)
    observed = abs(float(scores[0] - scores[1]))
    num_extreme = int((np.abs(shuffled) >= observed - 1e-12).sum())
    low, high = np.percentile(np.mean([each.drawn for each in rounds], axis=0), [2.5, 97.5])
    return Comparison(
        first=float(scores[0]),
        second=float(scores[1]),
        p_value=(num_extreme + 1) / (num_rounds + 1),
        num_units=sum(len(pair.first) for pair in pairs),
        num_rounds=num_rounds,
        interval=(float(low), float(high)),
    )


@dataclass(frozen=True, slots=True)
class _Rounds:
    """Of one data set: both scores [2], and differences with swapped answers and with drawn units [num_rounds]."""

    scores: Numbers
    shuffled: Numbers
    drawn: Numbers


def _rounds(pair: UnitPair, num_rounds: int, seed: int) -> _Rounds:
    random = np.random.Generator(np.random.Philox(seed))
    first, second, metric = pair.first, pair.second, pair.metric
    totals, change = (first.sum(axis=0), second.sum(axis=0)), second - first
    shuffled: list[Numbers] = []
    drawn: list[Numbers] = []
    for done in range(0, num_rounds, _ROUNDS_AT_ONCE):
        size = min(_ROUNDS_AT_ONCE, num_rounds - done)
        swapped = random.integers(0, 2, size=(size, len(first))).astype(np.float64) @ change
        shuffled.append(metric(totals[0] + swapped) - metric(totals[1] - swapped))
        draws = random.multinomial(len(first), np.full(len(first), 1 / len(first)), size=size).astype(np.float64)
        drawn.append(metric(draws @ first) - metric(draws @ second))
    return _Rounds(metric(np.stack(totals)), np.concatenate(shuffled), np.concatenate(drawn))

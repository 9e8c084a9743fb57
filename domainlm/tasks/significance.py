"""Whether two models differ by more than chance: paired approximate randomisation (Noreen 1989; Yeh 2000 for F1).

The same texts were given to both models. Where the models did not differ, it would not matter which of them gave the
answer to a text; so the answers to each text are swapped or not by the toss of a coin, the scores are counted again,
and the share of such rounds whose difference is at least the observed one is the p-value. No distribution is assumed.
The unit that is swapped is the document, since errors within one hang together, or what comes closest to it
(`domainlm.tasks.units`). Several seeds of a model are pooled: the answers of all its seeds to a document are swapped at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Metric = Callable[[Numbers], Numbers]
"""From sums over units [..., num_sums] to scores [...]."""

MIN_UNITS = 6
"""Of n units no p-value is below 2 / 2^n, so that it takes six to get below 0.05."""
_ROUNDS_AT_ONCE = 256
_MOST_KEPT = 2**24
"""Units times rounds that are kept in memory, of about three bytes each."""


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
        interval: 95 % bootstrap interval of first - second, over the same units (percentiles; Efron 1979). None where a
            data set has fewer than `MIN_UNITS`: the fewer there are to draw from, the surer it would seem, and of one
            unit it would be a point.
    """

    first: float
    second: float
    p_value: float
    num_units: int
    num_rounds: int
    interval: tuple[float, float] | None


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
    _check(pairs)
    rounds = [_rounds(pair, num_rounds, seed + place) for place, pair in enumerate(pairs)]
    scores = np.mean([each.scores for each in rounds], axis=0)
    low, high = np.percentile(np.mean([each.drawn for each in rounds], axis=0), [2.5, 97.5])
    return Comparison(
        first=float(scores[0]),
        second=float(scores[1]),
        p_value=_p_value(scores, np.mean([each.shuffled for each in rounds], axis=0)),
        num_units=sum(len(pair.first) for pair in pairs),
        num_rounds=num_rounds,
        interval=(float(low), float(high)) if min(len(pair.first) for pair in pairs) >= MIN_UNITS else None,
    )


def p_value_of_means(pairs: Sequence[UnitPair], *, num_rounds: int, seed: int = 0) -> float:
    """Only the p-value of `compare_means`, from other swaps: for many rounds, which take a tenth of the time of those.

    Args and errors: as of `compare_means`. The same arguments give the same number.
    """
    _check(pairs)
    scores = np.mean([pair.metric(np.stack([pair.first.sum(axis=0), pair.second.sum(axis=0)])) for pair in pairs], 0)
    shuffled = [_shuffled(pair, num_rounds, seed + place) for place, pair in enumerate(pairs)]
    return _p_value(scores, np.mean(shuffled, axis=0))


def _check(pairs: Sequence[UnitPair]) -> None:
    if not pairs:
        raise ValueError("no data set to compare on")
    for pair in pairs:
        if pair.first.shape != pair.second.shape or not len(pair.first):
            raise ValueError(
                f"units of both models must be the same, and some: {pair.first.shape}, {pair.second.shape}"
            )


def _p_value(scores: Numbers, shuffled: Numbers) -> float:
    """From both scores [2] and the differences with swapped answers [num_rounds]."""
    observed = abs(float(scores[0] - scores[1]))
    num_extreme = int((np.abs(shuffled) >= observed - 1e-12).sum())
    return (num_extreme + 1) / (len(shuffled) + 1)


@dataclass(frozen=True, slots=True)
class _Rounds:
    """Of one data set: both scores [2], and differences with swapped answers and with drawn units [num_rounds]."""

    scores: Numbers
    shuffled: Numbers
    drawn: Numbers


def _rounds(pair: UnitPair, num_rounds: int, seed: int) -> _Rounds:
    first, second, metric = pair.first, pair.second, pair.metric
    totals, change = (first.sum(axis=0), second.sum(axis=0)), second - first
    shuffled: list[Numbers] = []
    drawn: list[Numbers] = []
    resample = _kept_resamples if num_rounds * len(first) <= _MOST_KEPT else _resamples
    for swaps, draws in resample(len(first), num_rounds, seed):
        swapped = swaps.astype(np.float64) @ change
        shuffled.append(metric(totals[0] + swapped) - metric(totals[1] - swapped))
        counts = draws.astype(np.float64)
        drawn.append(metric(counts @ first) - metric(counts @ second))
    return _Rounds(metric(np.stack(totals)), np.concatenate(shuffled), np.concatenate(drawn))


def _resamples(num_units: int, num_rounds: int, seed: int) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Whether each unit is swapped, and how often it is drawn: [rounds, num_units] both, for some rounds at a time."""
    random = np.random.Generator(np.random.Philox(seed))
    for done in range(0, num_rounds, _ROUNDS_AT_ONCE):
        size = min(_ROUNDS_AT_ONCE, num_rounds - done)
        swaps = random.integers(0, 2, size=(size, num_units)).astype(np.uint8)
        draws = random.multinomial(num_units, np.full(num_units, 1 / num_units), size=size)
        yield swaps, draws.astype(np.min_scalar_type(num_units))


@lru_cache(maxsize=1)
def _kept_resamples(
    num_units: int, num_rounds: int, seed: int
) -> tuple[tuple[npt.NDArray[Any], npt.NDArray[Any]], ...]:
    """The same, kept for the next comparison: drawing takes most of the time, and a column's units are the same."""
    return tuple(_resamples(num_units, num_rounds, seed))


def _shuffled(pair: UnitPair, num_rounds: int, seed: int) -> Numbers:
    """Differences with swapped answers [num_rounds]; a bit is drawn for each toss."""
    random = np.random.Generator(np.random.Philox(seed))
    first, second, metric = pair.first, pair.second, pair.metric
    totals, change, num_bytes = (first.sum(axis=0), second.sum(axis=0)), second - first, -(-len(first) // 8)
    shuffled: list[Numbers] = []
    for done in range(0, num_rounds, _ROUNDS_AT_ONCE):
        size = min(_ROUNDS_AT_ONCE, num_rounds - done)
        drawn = np.frombuffer(random.bytes(size * num_bytes), dtype=np.uint8).reshape(size, num_bytes)
        swapped = np.unpackbits(drawn, axis=1, count=len(first)).astype(np.float64) @ change
        shuffled.append(metric(totals[0] + swapped) - metric(totals[1] - swapped))
    return np.concatenate(shuffled)

"""Whether two models differ by more than chance: paired approximate randomisation (Noreen 1989; Yeh 2000 for F1).

The same texts were given to both models. Where the models did not differ, it would not matter which of them gave the
answer to a text; so the answers to each text are swapped or not by the toss of a coin, the scores are counted again,
and the share of such rounds whose difference is at least the observed one is the p-value. No distribution is assumed.
The unit that is swapped is the document, since errors within one hang together. Several seeds of a model are pooled:
the answers of all its seeds to a document are swapped at once.
"""

from __future__ import annotations

from collections.abc import Callable
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
        first: score of the first model.
        second: score of the second one.
        p_value: two-sided; (rounds with at least this difference + 1) / (rounds + 1), so never 0.
        num_units: documents, or whatever was swapped.
        num_rounds: random swaps.
        interval: 95 % bootstrap interval of first - second, over the same units (percentiles; Efron 1979).
    """

    first: float
    second: float
    p_value: float
    num_units: int
    num_rounds: int
    interval: tuple[float, float]


def compare_units(
    first: Numbers, second: Numbers, metric: Metric, *, num_rounds: int = 10_000, seed: int = 0
) -> Comparison:
    """Test whether two models' scores differ.

    Args:
        first: what the first model's score is counted from, for each unit [num_units, num_sums].
        second: the same of the second model.
        metric: from sums over units to scores.
        num_rounds: random swaps; the p-value's standard error is below 0.5 / sqrt(num_rounds).
        seed: of the swaps and of the bootstrap. The same arguments give the same numbers.

    Raises:
        ValueError: the models have other numbers of units, or there is none.
    """
    if first.shape != second.shape or not len(first):
        raise ValueError(f"units of both models must be the same, and some: {first.shape} and {second.shape}")
    random = np.random.Generator(np.random.Philox(seed))
    totals, change = (first.sum(axis=0), second.sum(axis=0)), second - first
    scores = metric(np.stack(totals))
    observed = abs(float(scores[0] - scores[1]))
    num_extreme = 0
    differences: list[Numbers] = []
    for done in range(0, num_rounds, _ROUNDS_AT_ONCE):
        size = min(_ROUNDS_AT_ONCE, num_rounds - done)
        swapped = random.integers(0, 2, size=(size, len(first))).astype(np.float64) @ change
        shuffled = metric(totals[0] + swapped) - metric(totals[1] - swapped)
        num_extreme += int((np.abs(shuffled) >= observed - 1e-12).sum())
        draws = random.multinomial(len(first), np.full(len(first), 1 / len(first)), size=size).astype(np.float64)
        differences.append(metric(draws @ first) - metric(draws @ second))
    low, high = np.percentile(np.concatenate(differences), [2.5, 97.5])
    return Comparison(
        first=float(scores[0]),
        second=float(scores[1]),
        p_value=(num_extreme + 1) / (num_rounds + 1),
        num_units=len(first),
        num_rounds=num_rounds,
        interval=(float(low), float(high)),
    )

"""Whether models differ by more than chance, from what results hold: units where they are there, else seeds.

Units: paired approximate randomisation over the documents, questions, ... of the split, the seeds that both models
have pooled (Noreen 1989; Yeh 2000). It tells models apart on other texts, not on other seeds. Seeds: an exact paired
sign-flip test (Fisher 1935) on the differences of the seeds that both have. Of n seeds no p-value is below 2 / 2^n, so
it takes six to get below 0.05; fewer are not tested. Families of tests are adjusted by Holm's method (1979).

Difference, interval and p-value are of the same seeds: those that both models have.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from domainlm.study.report.units import Units
from domainlm.tasks.significance import UnitPair, compare_means, p_value_of_means
from domainlm.tasks.units import UnitKind

LEVEL = 0.05
MIN_SEEDS = 6
MAX_EXACT_SEEDS = 12
NUM_ROUNDS = 2_000
_ROUNDS_PER_TEST, _MAX_ROUNDS = 100, 100_000
"""Of n tests the least adjusted p-value is n / (rounds + 1): so many rounds keep it below 0.01 up to 1,000 tests."""

How = Literal["units", "seeds", "untested"]


@dataclass(frozen=True, slots=True)
class Sample:
    """The scores of one model on one split, by seed, and what they were counted from, where that is known."""

    by_seed: Mapping[int, float]
    units: Mapping[int, Units] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Arithmetic mean over seeds."""
        return statistics.fmean(self.by_seed.values())

    def of_seeds(self, seeds: Collection[int]) -> Sample:
        """The part of it that these seeds gave."""
        return Sample(
            {seed: value for seed, value in self.by_seed.items() if seed in seeds},
            {seed: units for seed, units in self.units.items() if seed in seeds},
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a test of first against second.

    Attributes:
        difference: mean of the first less that of the second, over the seeds that both have; over all where they share
            none.
        p_value: two-sided and not yet adjusted; None where nothing could be tested.
        how: what was paired.
        interval: 95 % bootstrap interval of the difference over units; None for other tests, and of too few units.
        num_pairs: units or seeds.
        kinds: what the units are.
        protocols: how they were counted.
        of_units: the difference that the interval is of. It is not `difference` where units are counted in another way
            than scores, and where pooled seeds score otherwise than in the mean; None for other tests.
    """

    difference: float
    p_value: float | None
    how: How
    interval: tuple[float, float] | None = None
    num_pairs: int = 0
    kinds: tuple[UnitKind, ...] = ()
    protocols: tuple[str, ...] = ()
    of_units: float | None = None


def compare(first: Sample, second: Sample, metric: str) -> Outcome:
    """Test whether two models differ on one data set, in the best way there is."""
    return compare_over({"": first}, {"": second}, {"": metric})


def compare_over(first: Mapping[str, Sample], second: Mapping[str, Sample], metrics: Mapping[str, str]) -> Outcome:
    """Test whether two models' means over data sets differ, in the best way there is.

    Args:
        first: a sample for each data set.
        second: the same data sets of the second model.
        metrics: the metric of each data set.
    """
    sides = [first[name] for name in metrics], [second[name] for name in metrics]
    shared = shared_seeds([*sides[0], *sides[1]])
    if not shared:
        return Outcome(statistics.fmean(_ahead(*sides)), None, "untested")
    one, other = ([sample.of_seeds(shared) for sample in side] for side in sides)
    difference = statistics.fmean(_ahead(one, other))
    pairs = [_unit_pair(*samples, shared) for samples in zip(one, other, metrics.values(), strict=True)]
    known = [pair for pair in pairs if pair is not None]
    if len(known) == len(pairs):
        found = compare_means(known, num_rounds=NUM_ROUNDS)
        paired = [units for sample in one for units in sample.units.values()]
        kinds = tuple(dict.fromkeys(kind for units in paired for kind in units.kinds))
        protocols = tuple(dict.fromkeys(units.protocol for units in paired))
        counted = found.first - found.second
        return Outcome(difference, found.p_value, "units", found.interval, found.num_units, kinds, protocols, counted)
    by_seed = [[[sample.of_seeds([seed]) for sample in side] for side in (one, other)] for seed in shared]
    p_value = sign_flip([statistics.fmean(_ahead(*of_seed)) for of_seed in by_seed])
    return Outcome(difference, p_value, "untested" if p_value is None else "seeds", num_pairs=len(shared))


def with_rounds_for(outcome: Outcome, first: Sample, second: Sample, metric: str, num_tests: int) -> Outcome:
    """The outcome of `compare`, its p-value of as many rounds as tell anything in a family of so many tests.

    A p-value that is not below `LEVEL` stays as it is: adjusted, it is not below it either.
    """
    num_rounds = min(_ROUNDS_PER_TEST * num_tests, _MAX_ROUNDS)
    if outcome.how != "units" or outcome.p_value is None or outcome.p_value >= LEVEL or num_rounds <= NUM_ROUNDS:
        return outcome
    shared = shared_seeds([first, second])
    pair = _unit_pair(first, second, metric, shared)
    return outcome if pair is None else replace(outcome, p_value=p_value_of_means([pair], num_rounds=num_rounds))


def shared_seeds(samples: Sequence[Sample]) -> list[int]:
    """The seeds that all of these have."""
    return sorted(set.intersection(*(set(sample.by_seed) for sample in samples)))


def sign_flip(differences: Sequence[float]) -> float | None:
    """Return the exact two-sided p-value that the mean of paired differences is 0; None for fewer than `MIN_SEEDS`.

    Of more than `MAX_EXACT_SEEDS` only the first are looked at, which keeps the number of sign patterns small.
    """
    if len(differences) < MIN_SEEDS:
        return None
    kept = np.array(differences[:MAX_EXACT_SEEDS])
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=len(kept))))
    sums = np.abs(signs @ kept)
    return float(np.mean(sums >= abs(kept.sum()) - 1e-12))


def holm(p_values: Sequence[float | None], num_tests: int = 0) -> list[float | None]:
    """Adjust a family of p-values; those that are None stay, and are not counted.

    Args:
        p_values: of the tests.
        num_tests: how many tests the family has, where it has others whose p-values are not asked for.
    """
    known = sorted((p_value, place) for place, p_value in enumerate(p_values) if p_value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    size, highest = max(num_tests, len(known)), 0.0
    for rank, (p_value, place) in enumerate(known):
        highest = max(highest, min(1.0, (size - rank) * p_value))
        adjusted[place] = highest
    return adjusted


def _ahead(first: Sequence[Sample], second: Sequence[Sample]) -> list[float]:
    """By how much the first is ahead on each data set."""
    return [one.mean - other.mean for one, other in zip(first, second, strict=True)]


def _unit_pair(first: Sample, second: Sample, metric: str, seeds: Sequence[int]) -> UnitPair | None:
    """The sums of both, pooled over these seeds; None where they are unknown, or not of the same data."""
    if any(seed not in sample.units for sample in (first, second) for seed in seeds):
        return None
    chosen = [[sample.units[seed] for seed in seeds] for sample in (first, second)]
    every = [units for side in chosen for units in side]
    if len({units.data for units in every}) > 1 or any(metric not in units.sums for units in every):
        return None
    one, other = (np.sum([units.sums[metric][0] for units in side], axis=0) for side in chosen)
    return UnitPair(one, other, every[0].sums[metric][1]) if one.shape == other.shape else None

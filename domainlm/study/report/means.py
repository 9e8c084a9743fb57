"""Means over data sets: what a study of several tasks comes to, each data set weighing the same."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from domainlm.study.report.aggregate import Group, Scores, Summary, summarise
from domainlm.study.report.arms import Arm
from domainlm.study.report.marks import is_comparable
from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.pools import Pool
from domainlm.study.report.records import Row
from domainlm.study.report.significance import Outcome, compare_over, holm


@dataclass(frozen=True, slots=True)
class Column:
    """A data set and how it is scored."""

    dataset: str
    group: Group
    metric: str


@dataclass(frozen=True, slots=True)
class ArmMean:
    """The mean of an arm.

    Attributes:
        arm: the arm.
        summary: its mean over data sets, and over the seeds that all arms have on all of them; over its own where the
            arms share none.
        outcome: of the test against the first arm; None for that arm.
        p_value: of this test, adjusted over all arms (Holm); None where nothing could be tested.
        is_pretrained: whether the study pretrained it, which it does once: seeds are those of fine-tuning.
    """

    arm: Arm
    summary: Summary
    outcome: Outcome | None = None
    p_value: float | None = None
    is_pretrained: bool = False


@dataclass(frozen=True, slots=True)
class Means:
    """The means of all arms that have every score.

    Attributes:
        columns: the data sets.
        entries: the arms, the first being the one that others are compared with.
        left_out: arms that lack scores.
        seeds_left_out: seeds that some data set or arm of `entries` lacks.
        shares_seeds: whether all arms of `entries` have a seed in common.
        signatures: how the scores of each data set came about.
    """

    columns: tuple[Column, ...]
    entries: tuple[ArmMean, ...]
    left_out: tuple[Arm, ...]
    seeds_left_out: tuple[int, ...] = ()
    shares_seeds: bool = True
    signatures: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def best(self) -> ArmMean:
        """The arm with the highest mean, of equal ones the first."""
        return max(self.entries, key=lambda entry: entry.summary.mean)


def find_means(scores: Scores) -> Means | None:
    """Return the means over data sets, from the split and protocol to judge by.

    None where there are fewer than two data sets or arms, where a metric is no percentage that is better when higher,
    or where scores of a data set were counted in different ways.
    """
    columns = tuple(_columns(scores))
    facts = [metric_facts(column.metric) for column in columns]
    if len(columns) < 2 or any(each.unit != "percent" or not each.higher_is_better for each in facts):
        return None
    arms = sorted({arm for column in columns for arm in scores.arms(column.group)})
    pools = {arm: _pools(scores, columns, arm) for arm in arms}
    whole = {arm: found for arm, found in pools.items() if len(found) == len(columns)}
    if len(whole) < 2 or not all(is_comparable([found[column] for found in whole.values()]) for column in columns):
        return None
    everywhere = set.intersection(*({row.seed for row in found[columns[0]].rows} for found in whole.values()))
    compared = {arm: _of_seeds(found, everywhere) for arm, found in whole.items()} if everywhere else whole
    anywhere = {row.seed for arm in whole for column in columns for row in _rows(scores, column, arm)}
    return Means(
        columns,
        tuple(_entries(compared)),
        left_out=tuple(arm for arm in arms if arm not in whole),
        seeds_left_out=tuple(sorted(anywhere - everywhere)) if everywhere else (),
        shares_seeds=bool(everywhere),
        signatures={column.dataset: scores.signatures(column.group, column.dataset) for column in columns},
    )


def _entries(pools: Mapping[Arm, Mapping[Column, Pool]]) -> Iterator[ArmMean]:
    baseline, *others = pools
    outcomes = [_compare(pools[arm], pools[baseline]) for arm in others]
    yield ArmMean(baseline, _mean(pools[baseline]), is_pretrained=_is_pretrained(pools[baseline]))
    adjusted = holm([outcome.p_value for outcome in outcomes])
    for arm, outcome, p_value in zip(others, outcomes, adjusted, strict=True):
        yield ArmMean(arm, _mean(pools[arm]), outcome, p_value, _is_pretrained(pools[arm]))


def _is_pretrained(pools: Mapping[Column, Pool]) -> bool:
    steps = [row.steps for pool in pools.values() for row in pool.rows]
    return any(isinstance(each, int) and each > 0 for each in steps)


def _columns(scores: Scores) -> list[Column]:
    """Each data set once, in the group to judge by."""
    found: dict[str, Column] = {}
    for group in scores.leading_groups():
        for dataset in scores.datasets(group):
            found.setdefault(dataset, Column(dataset, group, scores.metrics(group)[0]))
    return list(found.values())


def _pools(scores: Scores, columns: tuple[Column, ...], arm: Arm) -> dict[Column, Pool]:
    """The scores of an arm on each data set, of the seeds that all data sets have; empty where one is missing."""
    pools = {column: Pool(_rows(scores, column, arm), scores.units) for column in columns}
    seeds = set.intersection(*({row.seed for row in pool.rows} for pool in pools.values()))
    return {column: pool for column, pool in _of_seeds(pools, seeds).items() if pool.rows}


def _rows(scores: Scores, column: Column, arm: Arm) -> tuple[Row, ...]:
    return scores.rows(column.group, arm, column.dataset, column.metric)


def _of_seeds(pools: Mapping[Column, Pool], seeds: Collection[int]) -> dict[Column, Pool]:
    return {
        column: replace(pool, rows=tuple(row for row in pool.rows if row.seed in seeds))
        for column, pool in pools.items()
    }


def _mean(pools: Mapping[Column, Pool]) -> Summary:
    by_seed = [pool.sample.by_seed for pool in pools.values()]
    return summarise({seed: statistics.fmean(each[seed] for each in by_seed) for seed in by_seed[0]})


def _compare(first: Mapping[Column, Pool], second: Mapping[Column, Pool]) -> Outcome:
    return compare_over(
        {column.dataset: pool.sample for column, pool in first.items()},
        {column.dataset: pool.sample for column, pool in second.items()},
        {column.dataset: column.metric for column in first},
    )

"""Two runs side by side: the same cells, what differs in their settings, and whether their numbers can be compared."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.recipe.dotted import join_keys
from domainlm.study.report.aggregate import LM_STAGE, MASKED, SCORED_WORDS, is_of_sub_tokens, vocabulary_identity
from domainlm.study.report.load import load_results
from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.records import Results, Row
from domainlm.tasks.signature import without_seed

_What = tuple[str, ...]
"""Model, data set, split, metric and protocol."""
_Numbers = dict[_What, dict[int, Row]]
"""Rows by seed."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A number of both runs, as means over the seeds that both have, else over each run's own; None where one lacks it.

    Attributes:
        what: model, data set, split, metric and protocol.
        values: the means.
        num_seeds: seeds behind each.
        is_comparable: whether the signatures agree, seeds aside. Scores of language models have none: whether they are
            of the same text, and where they are per sub-token, of the same vocabulary.
    """

    what: tuple[str, ...]
    values: tuple[float | None, float | None]
    num_seeds: tuple[int, int]
    is_comparable: bool

    @property
    def difference(self) -> float | None:
        """The second less the first; None where one is missing or they cannot be compared."""
        first, second = self.values
        return None if first is None or second is None or not self.is_comparable else second - first


@dataclass(frozen=True, slots=True)
class Comparison:
    """Numbers of two runs, and the settings that differ: dotted key, value in the first, value in the second."""

    pairs: tuple[Pair, ...]
    settings: tuple[tuple[str, Any, Any], ...]


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare the results in two output folders.

    Raises:
        DataError: there are none, or they are damaged.
    """
    both = load_results(first), load_results(second)
    numbers = [_numbers(results) for results in both]
    pairs = []
    for what in dict.fromkeys([*numbers[0], *numbers[1]]):
        left, right = _of_shared_seeds(*(found.get(what, {}) for found in numbers))
        means = tuple(statistics.fmean(row.value for row in rows) if rows else None for rows in (left, right))
        ways = {_way(row, found) for rows, found in zip((left, right), numbers, strict=True) for row in rows}
        pairs.append(Pair(what, (means[0], means[1]), (len(left), len(right)), len(ways) <= 1))
    settings = [dict(_leaves(results.recipe)) for results in both]
    keys = sorted({*settings[0], *settings[1]})
    differing = tuple(
        (key, settings[0].get(key), settings[1].get(key))
        for key in keys
        if settings[0].get(key) != settings[1].get(key)
    )
    return Comparison(tuple(pairs), differing)


def _numbers(results: Results) -> _Numbers:
    found: _Numbers = {}
    for row in results.rows:
        if not row.type:
            found.setdefault(_what(row, row.metric), {})[row.seed] = row
    return found


def _what(row: Row, metric: str) -> _What:
    return (row.model, row.dataset, row.split, metric, row.protocol)


def _of_shared_seeds(first: Mapping[int, Row], second: Mapping[int, Row]) -> tuple[list[Row], list[Row]]:
    """What the seeds of both gave: a mean over a lucky seed may be above one over five."""
    shared = first.keys() & second.keys() or first.keys() | second.keys()
    one, other = ([row for seed, row in rows.items() if seed in shared] for rows in (first, second))
    return one, other


def _way(row: Row, numbers: _Numbers) -> object:
    """How a number came about: only those for which it is the same can be compared."""
    if is_of_sub_tokens(row):
        return vocabulary_identity(row), _beside(row, MASKED, numbers)
    if row.stage == LM_STAGE and metric_facts(row.metric).unit != "count":
        return tuple(_beside(row, name, numbers) for name in SCORED_WORDS)
    return without_seed(row.signature)


def _beside(row: Row, metric: str, numbers: _Numbers) -> float | None:
    """Another number of the same model on the same text; None where there is none."""
    found = numbers.get(_what(row, metric), {}).get(row.seed)
    return None if found is None else found.value


def _leaves(value: object, keys: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, entry in value.items():
            yield from _leaves(entry, (*keys, str(key)))
    elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        for place, entry in enumerate(value):
            yield from _leaves(entry, (*keys, str(place)))
    else:
        yield join_keys(keys), value if not isinstance(value, list) else json.loads(json.dumps(value))

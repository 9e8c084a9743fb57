"""Two runs side by side: the same cells, what differs in their settings, and whether their numbers can be compared."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.recipe.dotted import join_keys
from domainlm.study.report.load import load_results
from domainlm.study.report.records import Results, Row
from domainlm.tasks.signature import without_seed


@dataclass(frozen=True, slots=True)
class Pair:
    """A number of both runs, as means over their seeds; None where a run lacks it.

    Attributes:
        what: model, data set, split, metric and protocol.
        values: the means.
        num_seeds: seeds behind each.
        is_comparable: whether the signatures agree, seeds aside.
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
    groups = [_groups(results) for results in both]
    pairs = []
    for what in dict.fromkeys([*groups[0], *groups[1]]):
        left, right = (group.get(what, []) for group in groups)
        means = tuple(statistics.fmean(row.value for row in rows) if rows else None for rows in (left, right))
        signatures = {without_seed(row.signature) for row in (*left, *right)}
        pairs.append(Pair(what, (means[0], means[1]), (len(left), len(right)), len(signatures) <= 1))
    settings = [dict(_leaves(results.recipe)) for results in both]
    keys = sorted({*settings[0], *settings[1]})
    differing = tuple(
        (key, settings[0].get(key), settings[1].get(key))
        for key in keys
        if settings[0].get(key) != settings[1].get(key)
    )
    return Comparison(tuple(pairs), differing)


def _groups(results: Results) -> dict[tuple[str, ...], list[Row]]:
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in results.rows:
        if not row.type:
            found.setdefault((row.model, row.dataset, row.split, row.metric, row.protocol), []).append(row)
    return found


def _leaves(value: object, keys: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, entry in value.items():
            yield from _leaves(entry, (*keys, str(key)))
    elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        for place, entry in enumerate(value):
            yield from _leaves(entry, (*keys, str(place)))
    else:
        yield join_keys(keys), value if not isinstance(value, list) else json.loads(json.dumps(value))

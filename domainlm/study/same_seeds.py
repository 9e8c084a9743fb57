"""Which means over seeds may be compared where some seeds failed: one over a lucky seed may be above one over five."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import TypeVar

_Name = TypeVar("_Name", bound=Hashable)


def with_most_seeds(seeds: Mapping[_Name, Collection[int]]) -> list[_Name]:
    """Those that have as many seeds as any: all seeds, where one has all."""
    most = max((len(each) for each in seeds.values()), default=0)
    return [name for name, each in seeds.items() if len(each) == most]


def missing_seeds(seeds: Mapping[_Name, Collection[int]]) -> dict[_Name, list[int]]:
    """What each lacks of the seeds that any has."""
    every = {seed for each in seeds.values() for seed in each}
    return {name: sorted(every.difference(each)) for name, each in seeds.items()}

"""The cells of a study: every arm with every combination of the axes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domainlm.errors import RecipeError
from domainlm.recipe.dotted import Keys, join_keys, leaves, split_key
from domainlm.recipe.overrides import with_values
from domainlm.recipe.schema import Recipe
from domainlm.recipe.study_settings import ArmSettings
from domainlm.recipe.toml_source import RecipeSource, Table, relate_paths
from domainlm.recipe.varied import check_varied

ARM = "arm"
"""The key of the arm's name among the varied values of a cell."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm with one combination of the study's axes.

    Attributes:
        varied: what tells it from other cells: "arm" with its name where there are arms, and the dotted key and the
            value of each axis (a path relative to the recipe's folder, as results have it); empty where nothing varies.
        recipe: the settings with these values.
    """

    varied: Mapping[str, Any]
    recipe: Recipe

    @property
    def arm(self) -> str:
        """Name of the arm; empty where there are none."""
        return str(self.varied.get(ARM, ""))

    @property
    def label(self) -> str:
        """Short name: the arm, and the last part of each axis with its value; the recipe's name where none is."""
        return cell_label(self.varied, self.recipe.name)


def cell_label(varied: Mapping[str, Any], name: str) -> str:
    """What a cell of the recipe `name` is called by its varied values, which come in the order of the recipe."""
    axes = (f"{key.rsplit('.', 1)[-1]}={value}" for key, value in varied.items() if key != ARM)
    return ", ".join([*filter(None, [str(varied.get(ARM, ""))]), *axes]) or name


@dataclass(frozen=True, slots=True)
class CellTables:
    """The tables of a cell, before they are checked.

    Attributes:
        varied: as of `Cell`.
        tables: the recipe's, with the cell's values.
        origins: by key the place of the values that the arm sets.
    """

    varied: Mapping[str, Any]
    tables: Table
    origins: Mapping[str, str]

    def origin(self, dotted: str, source: RecipeSource) -> str | None:
        """Where a key comes from: the arm that sets it or something above or below it, or the recipe."""
        for key, place in self.origins.items():
            if f"{dotted}.".startswith(f"{key}.") or f"{key}.".startswith(f"{dotted}."):
                return place
        return source.origin(dotted)


def cell_tables(tables: Table, recipe: Recipe, source: RecipeSource) -> Iterator[CellTables]:
    """The tables of every cell, arms in their order and the last axis changing fastest.

    Raises:
        RecipeError: a key of an arm that cannot be varied, or that an axis sets as well.
    """
    axes = {split_key(key): key for key in recipe.study.axes}
    said = _said(recipe.study.axes, source)
    for arm in recipe.study.arms or (None,):
        settings = {} if arm is None else _settings(arm, axes, source)
        where = "study.arms" if arm is None else _place(arm, source)
        own = with_values(tables, settings, where)
        origins = {".".join(keys): where for keys in settings}
        named = {} if arm is None else {ARM: arm.name}
        combinations = itertools.product(*recipe.study.axes.values())
        for values, words in zip(combinations, itertools.product(*said.values()), strict=True):
            varied = with_values(own, dict(zip(axes, values, strict=True)), "study.axes")
            yield CellTables(named | dict(zip(said, words, strict=True)), varied, origins)


def _said(axes: Mapping[str, Sequence[Any]], source: RecipeSource) -> dict[str, list[Any]]:
    """The values of the axes as the portable recipe says them, so that rows of results match it on any machine."""
    tables: Table = {"study": {"axes": {key: list(values) for key, values in axes.items()}}}
    relate_paths(tables, source.files[0].parent)
    said: dict[str, list[Any]] = tables["study"]["axes"]
    return said


def _settings(arm: ArmSettings, axes: Mapping[Keys, str], source: RecipeSource) -> dict[Keys, Any]:
    settings = dict(leaves(arm.set))
    for keys in settings:
        check_varied(keys, _place(arm, source))
        if keys in axes:
            raise RecipeError(
                "an arm and an axis set the same key",
                where=_place(arm, source),
                given=join_keys(keys),
                remedy="take it out of the arm, or out of study.axes",
            )
    return settings


def _place(arm: ArmSettings, source: RecipeSource) -> str:
    return f"{source.origin('study.arms')}: arm {arm.name!r}"

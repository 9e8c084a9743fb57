"""From a recipe file and overrides to typed settings, one set for each cell of the study."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from domainlm.errors import RecipeError
from domainlm.plugin.registry import Registry
from domainlm.recipe.cells import Cell, cell_tables
from domainlm.recipe.find import recipe_file, shipped_file
from domainlm.recipe.in_force import check_in_force
from domainlm.recipe.overrides import parse_override, with_values
from domainlm.recipe.scales import apply_scale
from domainlm.recipe.schema import Recipe
from domainlm.recipe.scored_steps import with_scored_steps
from domainlm.recipe.toml_source import RecipeSource, Table, anchor_paths, map_all_paths, read_source
from domainlm.recipe.validate import validate_recipe
from domainlm.recipe.varied import check_axes
from domainlm.text.home import with_home

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A recipe as given, with its cells.

    Attributes:
        path: the file it came from.
        recipe: the settings as they stand at its scale, before arms and axes.
        cells: one for each arm and combination of the axes.
        source: the merged tables and where each key came from.
        overrides: the `--set` texts, as given.
    """

    path: Path
    recipe: Recipe
    cells: tuple[Cell, ...]
    source: RecipeSource
    overrides: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Hash of what the recipe says with all that it extends, `--set` and the environment: as it was when loaded."""
        text = json.dumps(self.source.tables, sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def load_given(given: str | Path, overrides: Sequence[str], registry: Registry) -> LoadedRecipe:
    """`load_recipe` of a file or of the name of a shipped recipe; finding it raises as `recipe_file` does."""
    return load_recipe(recipe_file(given, registry), overrides, lambda name: shipped_file(name, registry))


def load_recipe(
    path: Path, overrides: Sequence[str] = (), find_shipped: Callable[[str], Path] | None = None
) -> LoadedRecipe:
    """Read, extend, override and check a recipe.

    Args:
        path: its TOML file. Paths in it are relative to the file; those in overrides and in environment variables
            to the current folder.
        overrides: `dotted.key=value` texts; later ones win.
        find_shipped: gives the file of a recipe that ships with a plugin, for `extends`.

    Raises:
        RecipeError: anything wrong with the recipe, with its file and dotted key.
        DataError: a path begins with "~" and a user who is not there.
    """
    source = read_source(path, find_shipped)
    _apply_overrides(source, [text for text in overrides if parse_override(text)[0][0] in ("scale", "scales")])
    apply_scale(source)
    _apply_overrides(source, overrides)
    _apply_environment(source, overrides)
    tables = source.tables
    recipe = _finish(tables, source)
    check_in_force(overrides, recipe.study, source)
    cells = tuple(with_scored_steps(_cells(tables, recipe, source)))
    return LoadedRecipe(path, recipe, cells, source, tuple(overrides))


def _apply_overrides(source: RecipeSource, overrides: Sequence[str]) -> None:
    for text in overrides:
        keys, value = parse_override(text)
        if keys == ("extends",):
            raise RecipeError("extends cannot be set here", where="--set", remedy="write it into the recipe")
        if keys[0] == "variables" and isinstance(value, str):
            value = _absolute_where_it_exists(value)
        changed = with_values(source.tables, {keys: value}, "--set")
        anchor_paths(changed, Path.cwd())
        source.tables = changed
        dotted = ".".join(keys)
        for stale in [name for name in source.origins if name.startswith(f"{dotted}.")]:
            del source.origins[stale]
        source.origins[dotted] = "--set"


def _apply_environment(source: RecipeSource, overrides: Sequence[str]) -> None:
    set_by_hand = {parse_override(text)[0] for text in overrides}
    variables = source.tables.get("variables")
    if not isinstance(variables, dict):
        return
    for name in variables:
        value = os.environ.get(f"DOMAINLM_{name.upper()}")
        if value and ("variables", name) not in set_by_hand:
            variables[name] = _absolute_where_it_exists(value)
            source.origins[f"variables.{name}"] = f"environment variable DOMAINLM_{name.upper()}"


def _absolute_where_it_exists(value: str) -> str:
    path = with_home(value)
    return str(path.absolute()) if path.exists() else value


def _cells(tables: Table, recipe: Recipe, source: RecipeSource) -> list[Cell]:
    if not recipe.study.axes and not recipe.study.arms:
        return [Cell({}, recipe)]
    found = cell_tables(tables, recipe, source)
    return [Cell(each.varied, _finish(each.tables, source, partial(each.origin, source=source))) for each in found]


def _finish(tables: Table, source: RecipeSource, origin: Callable[[str], str | None] | None = None) -> Recipe:
    """Put the variables into the paths and check everything against the schema."""
    filled = with_values(tables, {}, "")
    variables = filled.get("variables", {})
    folder = source.files[0].parent

    def fill(value: object) -> object:
        if not isinstance(value, str) or not isinstance(variables, dict) or "${" not in value:
            return value
        for name in _VARIABLE.findall(value):
            _check_known(name, variables, lambda: _place(value, filled, origin or source.origin))
        return str(folder.absolute() / _VARIABLE.sub(lambda match: _variable(match[1], variables, source), value))

    map_all_paths(filled, fill)
    check_axes(filled, origin or source.origin)
    return validate_recipe(filled, origin or source.origin)


def _check_known(name: str, variables: Mapping[str, Any], place: Callable[[], str]) -> None:
    if name not in variables:
        raise RecipeError(
            "unknown variable",
            where=place(),
            given=name,
            allowed=list(variables) or None,
            remedy=f'add {name} = "..." to [variables] (environment variable DOMAINLM_{name.upper()} goes before it)'
            f", or give --set variables.{name}=...",
        )


def _place(value: str, tables: Table, origin: Callable[[str], str | None]) -> str:
    """The file and the dotted key of a value, the first that is there."""

    def keys(node: object) -> Iterator[str]:
        parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for part, below in parts:
            yield from [str(part)] if below == value else (f"{part}.{rest}" for rest in keys(below))

    dotted = next(keys(tables))
    return f"{origin(dotted)}: {dotted}"


def _variable(name: str, variables: Mapping[str, Any], source: RecipeSource) -> str:
    value = variables[name]
    if not isinstance(value, str) or not value:
        raise RecipeError(
            f"the variable {name!r} needs a value",
            where=source.files[0],
            remedy=f"add --set variables.{name}=... or set the environment variable DOMAINLM_{name.upper()}",
        )
    return value

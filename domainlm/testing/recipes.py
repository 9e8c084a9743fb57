"""Checks of recipes that ship with a plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from domainlm.api import RecipeSpec
from domainlm.errors import UserError
from domainlm.plugin import Registry
from domainlm.testing.failure import CheckError
from domainlm.testing.stand_ins import StandIns

_ANY_MACHINE_GPUS = 1_000_000


def check_recipe(spec: RecipeSpec, registry: Registry) -> int:
    """Check that a recipe can be resolved, at each of its scales, as `domainlm recipe check` does it.

    Its data need not be there: files, folders and models to start from count as given, variables without a value get
    a made-up one, and any machine is large enough. What the recipe requires must be installed, but for the plugin
    under test where the distribution has the name of its package.

    Args:
        spec: the recipe.
        registry: who gives which name, as `plugin_registry` makes it.

    Returns:
        Number of cells of the recipe as it stands: combinations of the study's arms and axes.

    Raises:
        UserError: anything wrong with the recipe.
    """
    from domainlm.recipe.devices import Devices
    from domainlm.recipe.find import check_is_there, shipped_file
    from domainlm.recipe.load import LoadedRecipe, load_recipe
    from domainlm.recipe.resolve import resolve
    from domainlm.recipe.toml_source import read_source
    from domainlm.recipe.toml_text import toml_text

    where = f"recipe {spec.reference}"
    check_is_there(spec, where, CheckError)

    def find_shipped(name: str) -> Path:
        return shipped_file(name, registry, where=where)

    def check(overrides: Sequence[str]) -> LoadedRecipe:
        loaded = load_recipe(spec.path, overrides, find_shipped)
        devices = Devices(kind="cuda", number=_ANY_MACHINE_GPUS)
        with TemporaryDirectory(prefix="domainlm-check-") as folder:
            resolve(StandIns(Path(folder), registry).in_place(loaded), registry, devices)
        return loaded

    tables = read_source(spec.path, find_shipped).tables
    made_up = [f"variables.{name}=made-up" for name, value in _table(tables, "variables").items() if value == ""]
    for scale in _table(tables, "scales"):
        check([*made_up, f"scale={toml_text(scale)}"])
    return len(check(made_up).cells)


def required_plugins(spec: RecipeSpec, registry: Registry) -> set[str]:
    """The distributions that a recipe says it requires, by itself or by what it extends; none where it cannot be read.

    Args:
        spec: the recipe.
        registry: the plugins loaded so far; where it extends a recipe of another one, what that requires is left out.
    """
    from domainlm.recipe.toml_source import read_source, read_toml

    try:
        tables = read_source(spec.path, lambda name: registry.recipe(name).path).tables
    except UserError:
        try:
            tables = read_toml(spec.path)
        except UserError:
            return set()  # `check_recipe` says what is wrong with it
    return set(_table(_table(tables, "requires"), "plugins"))


def _table(tables: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = tables.get(key, {})
    return found if isinstance(found, dict) else {}

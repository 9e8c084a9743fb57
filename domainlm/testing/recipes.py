"""Checks of recipes that ship with a plugin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.api import RecipeSpec
from domainlm.errors import UserError
from domainlm.plugin import Registry
from domainlm.testing.failure import CheckError

if TYPE_CHECKING:
    from domainlm.recipe.schema import Recipe


def check_recipe(spec: RecipeSpec, registry: Registry) -> int:
    """Check that a recipe can be read, at each of its scales, and that every name in it is given.

    Its data need not be there: variables without a value get a made-up one.

    Args:
        spec: the recipe.
        registry: who gives which name, as `plugin_registry` makes it.

    Returns:
        Number of cells of the recipe as it stands: combinations of the study's arms and axes.

    Raises:
        UserError: anything wrong with the recipe.
    """
    from domainlm.recipe.load import load_recipe
    from domainlm.recipe.toml_source import read_source
    from domainlm.recipe.toml_text import toml_text

    where = f"recipe {spec.reference}"
    if not spec.path.is_file():
        raise CheckError(
            "the recipe's file is not there", where=where, given=spec.path, remedy="add it to the package's data files"
        )

    def find_shipped(name: str) -> Path:
        return registry.recipe(name, where=where).path

    tables = read_source(spec.path, find_shipped).tables
    made_up = [f"variables.{name}=made-up" for name, value in _table(tables, "variables").items() if value == ""]
    for scale in _table(tables, "scales"):
        for cell in load_recipe(spec.path, [*made_up, f"scale={toml_text(scale)}"], find_shipped).cells:
            _check_names(cell.recipe, registry, f"{where}, scale {scale}")
    cells = load_recipe(spec.path, made_up, find_shipped).cells
    for cell in cells:
        _check_names(cell.recipe, registry, where)
    return len(cells)


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


def _check_names(recipe: Recipe, registry: Registry, where: str) -> None:
    registry.corpus(recipe.corpus.spec, where=f"{where}: corpus.spec")
    if recipe.vocabulary.spec is not None:
        registry.vocabulary(recipe.vocabulary.spec, where=f"{where}: vocabulary.spec")
    if recipe.model.size is not None:
        registry.model_size(recipe.model.size, where=f"{where}: model.size")
    if recipe.report.reference is not None:
        registry.reference_table(recipe.report.reference, where=f"{where}: report.reference")
    for place, corpus in enumerate(recipe.mixture.corpora):
        registry.corpus(corpus.spec, where=f"{where}: mixture.corpora.{place}.spec")
    for place, task in enumerate(recipe.tasks):
        registry.task(task.spec, where=f"{where}: tasks.{place}.spec")

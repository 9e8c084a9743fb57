"""Checks of recipes that ship with a plugin."""

from __future__ import annotations

from pathlib import Path

from domainlm.api import RecipeSpec
from domainlm.plugin import Registry
from domainlm.testing.failure import CheckError


def check_recipe(spec: RecipeSpec, registry: Registry) -> int:
    """Check that a recipe can be read and that every name in it is given, at each scale; its data need not be there.

    Args:
        spec: the recipe.
        registry: who gives which name, as `plugin_registry` makes it.

    Returns:
        Number of cells: arms and combinations of the study's axes, at the scale that the recipe names.

    Raises:
        UserError: anything wrong with the recipe.
    """
    from domainlm.recipe.load import load_recipe
    from domainlm.recipe.toml_text import toml_text

    where = f"recipe {spec.reference}"
    if not spec.path.is_file():
        raise CheckError(
            "the recipe's file is not there", where=where, given=spec.path, remedy="add it to the package's data files"
        )

    def find_shipped(name: str) -> Path:
        return registry.recipe(name, where=where).path

    loaded = load_recipe(spec.path, (), find_shipped)
    scaled = [load_recipe(spec.path, [f"scale={toml_text(name)}"], find_shipped) for name in loaded.recipe.scales]
    for cell in (cell for each in (loaded, *scaled) for cell in each.cells):
        registry.corpus(cell.recipe.corpus.spec, where=f"{where}: corpus.spec")
        if cell.recipe.vocabulary.spec is not None:
            registry.vocabulary(cell.recipe.vocabulary.spec, where=f"{where}: vocabulary.spec")
        if cell.recipe.model.size is not None:
            registry.model_size(cell.recipe.model.size, where=f"{where}: model.size")
        for place, corpus in enumerate(cell.recipe.mixture.corpora):
            registry.corpus(corpus.spec, where=f"{where}: mixture.corpora.{place}.spec")
        for place, task in enumerate(cell.recipe.tasks):
            registry.task(task.spec, where=f"{where}: tasks.{place}.spec")
    return len(loaded.cells)

"""Checks of recipes that ship with a plugin."""

from __future__ import annotations

from domainlm.api import RecipeSpec
from domainlm.plugin import Registry
from domainlm.testing.failure import CheckError


def check_recipe(spec: RecipeSpec, registry: Registry) -> int:
    """Check that a recipe can be read and that every name in it is given; its data need not be there.

    Args:
        spec: the recipe.
        registry: who gives which name, as `plugin_registry` makes it.

    Returns:
        Number of cells: combinations of the study's axes.

    Raises:
        UserError: anything wrong with the recipe.
    """
    from domainlm.recipe.load import load_recipe

    where = f"recipe {spec.reference}"
    if not spec.path.is_file():
        raise CheckError(
            "the recipe's file is not there", where=where, given=spec.path, remedy="add it to the package's data files"
        )
    loaded = load_recipe(spec.path, (), lambda name: registry.recipe(name, where=where).path)
    for cell in loaded.cells:
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

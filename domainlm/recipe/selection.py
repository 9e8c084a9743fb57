"""Whether settings can be chosen on dev."""

from __future__ import annotations

from collections.abc import Collection

from domainlm.errors import RecipeError
from domainlm.recipe.load import LoadedRecipe


def check_selection(loaded: LoadedRecipe, without_dev: Collection[str]) -> None:
    """Refuse `study.select` where a data set has no dev split.

    Args:
        loaded: the recipe.
        without_dev: names of the data sets that have none.

    Raises:
        RecipeError: settings are to be chosen, and there is such a data set.
    """
    if loaded.recipe.study.select and without_dev:
        raise RecipeError(
            "no dev split to choose settings on",
            where=f"{loaded.source.origin('study.select')}: study.select",
            given=", ".join(sorted(without_dev)),
            remedy="give the task dev files, or name no axes in study.select",
        )

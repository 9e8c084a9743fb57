"""Which file a recipe is in, for commands and for programs alike."""

from __future__ import annotations

from pathlib import Path

from domainlm.errors import RecipeError, nearest_name
from domainlm.plugin.registry import Registry


def recipe_file(given: str | Path, registry: Registry) -> Path:
    """The file of a recipe, given as a file or as the name of a shipped one; a file goes first.

    Raises:
        RecipeError: neither such a file nor such a name.
        SpecError: the recipe of this name is installed in another version.
    """
    path = Path(given)
    if path.exists() or path.suffix == ".toml":
        return path
    text = str(given)
    name = text.partition("@")[0]
    if name in registry.recipes:
        return registry.recipe(text).path
    with_ending = path.with_name(f"{path.name}.toml")
    raise RecipeError(
        "no such recipe: neither a file nor a name that a plugin gives",
        given=text,
        allowed=["PATH.toml", *registry.recipes],
        nearest=str(with_ending) if with_ending.is_file() else nearest_name(name, registry.recipes),
        remedy=registry.missing_plugin_hint(name) if "/" in name and not path.parent.is_dir() else None,
    )

"""Which file a recipe is in, for commands and for programs alike."""

from __future__ import annotations

from pathlib import Path

from domainlm.api import RecipeSpec
from domainlm.errors import RecipeError, UserError, nearest_name
from domainlm.plugin.registry import Registry


def recipe_file(given: str | Path, registry: Registry) -> Path:
    """The file of a recipe, given as a file or as the name of a shipped one; a file goes first.

    Raises:
        RecipeError: neither such a file nor such a name, or the plugin lacks the file.
        SpecError: the recipe of this name is installed in another version.
    """
    path = Path(given)
    if path.exists() or path.suffix == ".toml":
        return path
    text = str(given)
    name = text.partition("@")[0]
    if name in registry.recipes:
        return shipped_file(text, registry)
    with_ending = path.with_name(f"{path.name}.toml")
    raise RecipeError(
        "no such recipe: neither a file nor a name that a plugin gives",
        given=text,
        allowed=["PATH.toml", *registry.recipes],
        nearest=str(with_ending) if with_ending.is_file() else nearest_name(name, registry.recipes),
        remedy=registry.missing_plugin_hint(name) if "/" in name and not path.parent.is_dir() else None,
    )


def shipped_file(name: str, registry: Registry, *, where: str | None = None) -> Path:
    """The file of a recipe that a plugin gives.

    Args:
        name: of the recipe, as `registry.recipe` takes it.
        registry: who gives which name.
        where: the place that names it, for the error.

    Raises:
        RecipeError: the plugin lacks the file.
        SpecError: no plugin gives a recipe of this name.
    """
    spec = registry.recipe(name, where=where)
    check_is_there(spec, f"plugin {registry.provider(spec)}, recipe {spec.reference}")
    return spec.path


def check_is_there(spec: RecipeSpec, where: str, kind: type[UserError] = RecipeError) -> None:
    """Raise an error of this kind where a plugin declares a recipe and its distribution holds no such file."""
    if not spec.path.is_file():
        raise kind(
            "the recipe's file is not there", where=where, given=spec.path, remedy="add it to the package's data files"
        )

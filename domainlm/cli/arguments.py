"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from domainlm.cli.state import cli_state
from domainlm.errors import RecipeError, nearest_name
from domainlm.plugin import Registry

_Function = TypeVar("_Function", bound=Callable[..., Any])


def recipe_argument(function: _Function) -> _Function:
    """Add the argument RECIPE: a file, or the name of a recipe that a plugin ships."""
    return click.argument("recipe", shell_complete=complete_recipe)(function)


def set_option(function: _Function) -> _Function:
    """Add --set KEY=VALUE, any number of times."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set a key of the recipe, as in pretraining.num_steps=200. May be given several times.",
    )(function)


def json_option(function: _Function) -> _Function:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(function)


def recipe_file(given: str, registry: Registry) -> Path:
    """The file of a recipe, given as a file or as the name of a shipped one; a file goes first.

    Raises:
        RecipeError: neither such a file nor such a name.
    """
    path = Path(given)
    name = given.partition("@")[0]
    if path.exists() or path.suffix == ".toml":
        return path
    if name in registry.recipes:
        return registry.recipe(given).path
    with_ending = path.with_name(f"{path.name}.toml")
    raise RecipeError(
        "no such recipe: neither a file nor a name that a plugin gives",
        given=given,
        allowed=["PATH.toml", *registry.recipes],
        nearest=str(with_ending) if with_ending.is_file() else nearest_name(name, registry.recipes),
        remedy=registry.missing_plugin_hint(name) if "/" in name and not path.parent.is_dir() else None,
    )


def complete_recipe(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The names of shipped recipes that begin so; else files."""
    recipes = cli_state(context).all_plugins.registry.recipes
    named = [
        CompletionItem(name, help=entry.spec.description)
        for name, entry in recipes.items()
        if name.startswith(incomplete)
    ]
    return named or [CompletionItem(incomplete, type="file")]

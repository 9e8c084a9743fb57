"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from domainlm.cli.state import cli_state

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


def complete_recipe(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The names of shipped recipes that begin so; else files."""
    recipes = cli_state(context).all_plugins.registry.recipes
    named = [
        CompletionItem(name, help=entry.spec.description)
        for name, entry in recipes.items()
        if name.startswith(incomplete)
    ]
    return named or [CompletionItem(incomplete, type="file")]

"""`domainlm recipe`: list, show and check recipes, and the keys they may have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import click

from domainlm.cli.arguments import json_option, recipe_argument, set_option
from domainlm.cli.state import cli_state
from domainlm.cli.table import echo_json, echo_table
from domainlm.recipe.dotted import split_key
from domainlm.recipe.toml_text import toml_key, toml_text


@click.group(short_help="List, show and check recipes.")
def recipe() -> None:
    """List, show and check recipes."""


@recipe.command("list", short_help="List the recipes that plugins ship.")
@json_option
@click.pass_context
def list_(context: click.Context, as_json: bool) -> None:
    """List the recipes that plugins ship; any other TOML file is run by its path."""
    entries = cli_state(context).plugins.registry.recipes.values()
    if as_json:
        echo_json(
            [
                {"name": spec.name, "version": spec.version, "provider": str(provider), "path": str(spec.path)}
                | {"description": spec.description}
                for spec, provider in entries
            ]
        )
    elif entries:
        echo_table(
            ("name", "from", "what it asks"),
            [(spec.name, str(provider), spec.description) for spec, provider in entries],
        )
    else:
        click.echo("no plugin here ships a recipe; run one by its path")


@recipe.command(short_help="Show a recipe's settings and where each comes from.")
@recipe_argument
@set_option
@click.option("--all", "with_defaults", is_flag=True, help="Also show the keys that are left at their defaults.")
@json_option
@click.pass_context
def show(context: click.Context, recipe: str, overrides: tuple[str, ...], with_defaults: bool, as_json: bool) -> None:
    """Show a recipe's settings and where each comes from, `extends` and --set followed.

    The part before each # can be given to --set.
    """
    from domainlm.recipe.load import load_given
    from domainlm.recipe.lock import with_defaults as tables_with_defaults

    loaded = load_given(recipe, overrides, cli_state(context).plugins.registry)
    given = loaded.recipe.model_dump(mode="json", exclude_unset=True)
    tables = tables_with_defaults(loaded.recipe) if with_defaults else given
    if as_json:
        echo_json(tables)
        return
    for key, value in flatten(tables):
        if value is None:
            click.echo(f"# {key} is not set")
        else:
            origin = loaded.source.origin(".".join(split_key(key)))
            click.echo(f"{key}={toml_text(value)}  # {origin}")


@recipe.command(short_help="Check a recipe without running it.")
@recipe_argument
@set_option
@click.pass_context
def check(context: click.Context, recipe: str, overrides: tuple[str, ...]) -> None:
    """Check a recipe without running it: its keys, names, files, numbers, and whether the memory is enough."""
    from domainlm.recipe.load import load_given
    from domainlm.recipe.resolve import resolve
    from domainlm.recipe.unscored import warn_of_unscored_tasks

    registry = cli_state(context).plugins.registry
    resolved = resolve(load_given(recipe, overrides, registry), registry)
    warn_of_unscored_tasks(resolved)
    tasks = ", ".join(resolved.task_names) or "none"
    click.echo(f"{resolved.loaded.recipe.name}: sound; {resolved.num_cells} cell(s), tasks: {tasks}")


@recipe.command(short_help="List every key a recipe may have.")
@click.argument("prefix", default="")
@json_option
def keys(prefix: str, as_json: bool) -> None:
    """List every key of a recipe, with type, default and meaning; with PREFIX only those that begin with it."""
    from domainlm.cli.recipe_keys import describe_keys

    described = [key for key in describe_keys() if key.name.startswith(prefix)]
    if not described:
        raise click.UsageError(f"no key begins with {prefix}; `domainlm recipe keys` lists them all")
    if as_json:
        echo_json([{"key": key.name, "type": key.type, "default": key.default, "help": key.help} for key in described])
        return
    for key in described:
        default = "required" if key.default is None else f"default {key.default}"
        click.echo(f"{key.name}  ({key.type}; {default})\n    {key.help}")


def flatten(settings: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The settings as dotted keys with values; a number in a key is a place in a list of tables."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{toml_key(key)}.")
        elif isinstance(value, Sequence) and value and all(isinstance(entry, Mapping) for entry in value):
            for place, entry in enumerate(value):
                yield from flatten(entry, f"{prefix}{toml_key(key)}.{place}.")
        else:
            yield f"{prefix}{toml_key(key)}", value

"""`domainlm study stage`: one stage of a run."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.arguments import recipe_argument, set_option
from domainlm.cli.logs import verbosity_options
from domainlm.cli.state import cli_state
from domainlm.recipe.find import recipe_file

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(short_help="Make one stage of a run, as its workers do.")
@recipe_argument
@click.argument("key")
@click.option("--out", type=_FOLDER, help="Folder of the run.  [default: runs/RECIPE]")
@click.option("--store", type=_FOLDER, help="Folder of artifacts.  [default: OUT/artifacts]")
@set_option
@verbosity_options
@click.pass_context
def stage(
    context: click.Context, recipe: str, key: str, out: Path | None, store: Path | None, overrides: tuple[str, ...]
) -> None:
    """Make one stage of a run, as its workers do.

    KEY is the beginning of a stage's key, as `domainlm run --dry-run` lists them. Its inputs must have been made.
    """
    from domainlm.cli.run import default_out
    from domainlm.study.one_stage import make_one  # it loads torch

    plugins = cli_state(context).plugins
    path = recipe_file(recipe, plugins.registry)
    folder = out if out is not None else default_out(recipe)
    made = make_one(path, key, out=folder, store=store, overrides=overrides, plugins=plugins)
    click.echo(str(made))

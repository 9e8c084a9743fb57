"""`domainlm study status`: how far a run is."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.arguments import json_option, recipe_argument, set_option
from domainlm.cli.state import cli_state
from domainlm.cli.table import echo_json, echo_table
from domainlm.recipe.find import recipe_file

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(short_help="Show which stages are done, running, failed or to do.")
@recipe_argument
@click.option("--out", type=_FOLDER, help="Folder of the run.  [default: runs/RECIPE]")
@click.option("--store", type=_FOLDER, help="Folder of artifacts.  [default: OUT/artifacts]")
@set_option
@json_option
@click.pass_context
def status(
    context: click.Context, recipe: str, out: Path | None, store: Path | None, overrides: tuple[str, ...], as_json: bool
) -> None:
    """Show which stages of a run are done, running, failed, stopped or to do.

    RECIPE is given as to `domainlm run`, with the same options, or is the output folder of a run that has begun.
    """
    from domainlm.cli.run import default_out
    from domainlm.study.status import read_call, stage_states  # they load torch

    plugins = cli_state(context).plugins
    if Path(recipe).is_dir():
        path, folder, store, overrides = read_call(Path(recipe), store, overrides)
    else:
        path = recipe_file(recipe, plugins.registry)
        folder = out if out is not None else default_out(recipe)
    states = stage_states(path, out=folder, store=store, overrides=overrides, plugins=plugins)
    if as_json:
        echo_json([state.as_dict() for state in states])
        return
    echo_table(("state", "stage", "key", "time", "what"), [state.cells() for state in states])
    counts = {state.state: sum(other.state == state.state for other in states) for state in states}
    click.echo(", ".join(f"{number} {name}" for name, number in counts.items()))

"""`domainlm run`: a recipe from corpus to report."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.arguments import recipe_argument, recipe_file, set_option
from domainlm.cli.logs import verbosity_options
from domainlm.cli.state import cli_state

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(short_help="Run a recipe from corpus to report.")
@recipe_argument
@click.option("--out", type=_FOLDER, help="Folder for results, report and models.  [default: runs/RECIPE]")
@click.option("--store", type=_FOLDER, help="Folder of artifacts that several runs may share.")
@set_option
@click.option("--dry-run", is_flag=True, help="Check everything and list the stages, without running any.")
@verbosity_options
@click.pass_context
def run(
    context: click.Context, recipe: str, out: Path | None, store: Path | None, overrides: tuple[str, ...], dry_run: bool
) -> None:
    """Run a recipe from corpus to report.

    RECIPE is a TOML file, or the name of a recipe that a plugin ships (see `domainlm recipe list`). What was computed
    before is not computed again: after an interruption, the same command goes on.
    """
    plugins = cli_state(context).plugins
    path = recipe_file(recipe, plugins.registry)
    folder = out if out is not None else default_out(recipe)
    from domainlm.parallel.environment import is_first_rank
    from domainlm.study.run import describe_run, run_recipe  # only now, since it takes seconds to import

    if dry_run and is_first_rank():
        click.echo(describe_run(path, out=folder, store=store, overrides=overrides, plugins=plugins))
    if dry_run:
        return
    summary = run_recipe(path, out=folder, store=store, overrides=overrides, plugins=plugins)
    if is_first_rank():
        click.echo(f"done in {_duration(summary.seconds)}: {folder / 'report.html'}, {folder / 'results.json'}")


def default_out(recipe: str) -> Path:
    """`runs/` and the recipe's name: "runs/quickstart" for recipes/quickstart.toml, "runs/toy-first" for toy/first."""
    path = Path(recipe)
    name = path.stem if path.suffix == ".toml" else recipe.partition("@")[0].replace("/", "-")
    return Path("runs") / name


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"

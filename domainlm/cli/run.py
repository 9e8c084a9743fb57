"""`domainlm run`: a recipe from corpus to report."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from domainlm.cli.arguments import recipe_argument, set_option
from domainlm.cli.logs import verbosity_options
from domainlm.cli.state import cli_state
from domainlm.recipe.find import recipe_file

WorkersAsked = int | Literal["slurm"] | None
_FOLDER = click.Path(file_okay=False, path_type=Path)


def _workers(_context: click.Context, _: click.Parameter, given: str | None) -> WorkersAsked:
    if given is None:
        return None
    if given == "slurm":
        return "slurm"
    if not given.isdecimal() or int(given) < 1:
        raise click.BadParameter(f"{given!r} is neither a number from 1 nor slurm")
    return int(given)


@click.command(short_help="Run a recipe from corpus to report.")
@recipe_argument
@click.option(
    "--out",
    type=_FOLDER,
    help="Folder for results, report and models: a new one, or that of an earlier run of the recipe. One that holds "
    "other files of the names that a run writes is refused.  [default: runs/RECIPE]",
)
@click.option("--store", type=_FOLDER, help="Folder of artifacts that several runs may share.")
@set_option
@click.option("--dry-run", is_flag=True, help="Check everything and list the stages and their costs, running none.")
@click.option(
    "--workers",
    callback=_workers,
    metavar="NUMBER|slurm",
    help="Make this many stages at once, or each as a job of a Slurm cluster.  [default: as runtime.num_workers says]",
)
@click.option(
    "--only",
    multiple=True,
    metavar="KEY=VALUE",
    help="Make only a part of the study; KEY is arm, a varied key, dataset or seed, and * stands for any text. "
    "May be given several times.",
)
@verbosity_options
@click.pass_context
def run(
    context: click.Context,
    recipe: str,
    out: Path | None,
    store: Path | None,
    overrides: tuple[str, ...],
    dry_run: bool,
    workers: WorkersAsked,
    only: tuple[str, ...],
) -> None:
    """Run a recipe from corpus to report.

    RECIPE is a TOML file, or the name of a recipe that a plugin ships (see `domainlm recipe list`). What was computed
    before is not computed again: after an interruption, the same command resumes. If a stage fails, stages that do
    not need it go on, and the same command retries it.
    """
    plugins = cli_state(context).plugins
    path = recipe_file(recipe, plugins.registry)
    folder = out if out is not None else default_out(recipe)
    from domainlm.process import is_first_rank
    from domainlm.study.duration import duration
    from domainlm.study.run import describe_run, run_recipe  # only now, since it takes seconds to import

    if dry_run and is_first_rank():
        click.echo(describe_run(path, out=folder, store=store, overrides=overrides, plugins=plugins, only=only))
    if dry_run:
        return
    summary = run_recipe(
        path, out=folder, store=store, overrides=overrides, plugins=plugins, workers=workers, only=only
    )
    if is_first_rank():
        click.echo(f"done in {duration(summary.seconds)}: {folder / 'report.html'}, {folder / 'results.json'}")


def default_out(recipe: str) -> Path:
    """`runs/` and the recipe's name: "runs/quickstart" for recipes/quickstart.toml, "runs/toy-first" for toy/first."""
    path = Path(recipe)
    name = path.stem if path.suffix == ".toml" else recipe.partition("@")[0].replace("/", "-")
    return Path("runs") / name

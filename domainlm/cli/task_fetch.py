"""`domainlm task fetch`: the real data of a task, from where its spec says."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.fetching import Order, fetch_options
from domainlm.cli.fetching import fetch as fetch_order
from domainlm.cli.logs import verbosity_options
from domainlm.cli.state import cli_state
from domainlm.fetch.selection import Selection


@click.command(short_help="Fetch the real data of a task.")
@click.argument("spec")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the files.")
@fetch_options
@verbosity_options
@click.pass_context
def fetch(
    context: click.Context,
    spec: str,
    out: Path,
    part: str | None,
    base_url: str | None,
    connections: int | None,
    attempts: int,
    timeout: float,
    max_failures: int,
) -> None:
    """Fetch the real data of a task.

    SPEC is the name of a task spec (see `domainlm plugins show`). Archives are unpacked, so a recipe's task can take
    --out as its folder. If the data requires registration, this says where to register and where to put the files.
    """
    found = cli_state(context).plugins.registry.task(spec, where="SPEC")
    order = Order(
        plan=found.fetch,
        where=f"task {found.name}",
        part=part,
        base_url=base_url,
        selection=Selection.parse("all"),
        connections=connections,
        attempts=attempts,
        timeout=timeout,
        max_failures=max_failures,
    )
    fetch_order(order, out)

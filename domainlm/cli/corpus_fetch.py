"""`domainlm corpus fetch`: the real data of a corpus, from where its spec says."""

from __future__ import annotations

from pathlib import Path

import click

from domainlm.cli.fetching import Order, fetch_options, list_files
from domainlm.cli.fetching import fetch as fetch_order
from domainlm.cli.logs import verbosity_options
from domainlm.cli.state import cli_state
from domainlm.fetch.selection import Selection


@click.command(short_help="Fetch the real data of a corpus.")
@click.argument("spec")
@click.option("--files", metavar="NUMBERS", help="Which files: 1-20, or 1,5,9- (and all that follow), or all.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the files.")
@click.option("--list", "only_list", is_flag=True, help="Print numbers and names of the files and fetch none.")
@fetch_options
@verbosity_options
@click.pass_context
def fetch(
    context: click.Context,
    spec: str,
    files: str | None,
    out: Path | None,
    only_list: bool,
    part: str | None,
    base_url: str | None,
    connections: int | None,
    attempts: int,
    timeout: float,
    max_failures: int,
) -> None:
    """Fetch the real data of a corpus.

    SPEC is the name of a corpus spec (see `domainlm plugins show`). Existing files are not fetched again, and after
    an interruption the same command resumes in the middle of a file. A file is called NAME.part until it is complete
    and its checksum is right.
    """
    found = cli_state(context).plugins.registry.corpus(spec, where="SPEC")
    order = Order(
        plan=found.fetch,
        where=f"corpus {found.name}",
        part=part,
        base_url=base_url,
        selection=Selection.parse(files if files is not None else "all"),
        connections=connections,
        attempts=attempts,
        timeout=timeout,
        max_failures=max_failures,
    )
    source = order.source  # first, since a spec without one, or with a registration, needs no options at all
    if only_list:
        list_files(order)
        return
    if out is None:
        raise click.UsageError("say where to put the files: --out DIR")
    if files is None:
        raise click.UsageError(
            f"say which files, as in --files 1-20{f' ({source.size})' if source.size else ''}, or --files all"
        )
    fetch_order(order, out)

"""`domainlm report`: the report of a finished run, made again from its results."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write the report of a finished run again.")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def report(folder: Path) -> None:
    """Write the report of a finished run again.

    DIR is the output folder of `domainlm run`. report.md and report.html are made from its results.json and logs alone.
    """
    from domainlm.study.report import write_report

    write_report(folder)
    click.echo(f"wrote {folder / 'report.md'} and {folder / 'report.html'}")

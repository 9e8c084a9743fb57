"""`domainlm report`: the report of a finished run, made again from its results."""

from __future__ import annotations

from pathlib import Path

import click

_FORMATS = ("markdown", "html", "csv", "latex")


@click.command(short_help="Write the report of a finished run again.")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(_FORMATS),
    default=_FORMATS,
    help="What to write; may be repeated.  [default: all]",
)
def report(folder: Path, formats: tuple[str, ...]) -> None:
    """Write the report of a finished run again.

    DIR is the output folder of `domainlm run`. The report is made from its results.json, logs/ and cost.json (times
    and energy) alone: report.md, report.html (with plots, in one file), report.tex (the tables, for LaTeX with
    booktabs), scores.csv (every score) and tables/ (each table as CSV).
    """
    from domainlm.study.report.write import write_report

    written = write_report(folder, formats)
    click.echo(f"wrote {', '.join(map(str, written))}")

"""The command `domainlm logbook`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from domainlm.api import ProblemLog
from domainlm_harbour.logbooks import read_logbook


@click.command(short_help="Count the days that ships were logged.")
@click.argument("file", type=click.Path(path_type=Path))
def logbook(file: Path) -> None:
    """Count the days that each ship kept the log in FILE."""
    days = Counter(document.meta["ship"] for document in read_logbook(file, ProblemLog()))
    for ship, count in sorted(days.items()):
        click.echo(f"{ship}: {count}")

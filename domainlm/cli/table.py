"""Plain tables and JSON on stdout."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click


def echo_json(content: object) -> None:
    """Print JSON for programs."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def echo_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> None:
    """Print columns as wide as their longest cell, two blanks apart.

    Args:
        header: the names of the columns.
        rows: the cells, as many in each row as there are names.
        numbers: places of the columns to align to the right.
    """
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    for row in (header, *rows):
        cells = [
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def echo_markdown(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> None:
    """Print a table in Markdown; arguments as those of `echo_table`."""
    lines = ["---:" if place in numbers else "---" for place in range(len(header))]
    for row in (header, lines, *rows):
        click.echo(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")

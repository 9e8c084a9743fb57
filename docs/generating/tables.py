"""Tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Names, set as code, in the first column, and what is said of them in the others."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| `{_cell(name)}` | {' | '.join(map(_cell, others))} |" for name, *others in rows]
    return "\n".join(lines) + "\n"


def number_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Text in the first column, numbers and grids in the others."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return re.sub(r"\s{2,}", " ", text).replace("|", "\\|")

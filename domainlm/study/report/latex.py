"""The report's tables as LaTeX (booktabs), to be put into a paper."""

from __future__ import annotations

import re

from domainlm.study.report.content import Cell, Report, Table
from domainlm.study.report.numbering import numbered

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # after the end of a row it would begin an option, as * would
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "…": r"\ldots{}",
    "“": "``",
    "”": "''",
    "\N{NO-BREAK SPACE}": "~",
}
_HEADER = r"""% Tables of the report on {title}, written by domainlm report.
% In the preamble: \usepackage[T1]{{fontenc}} \usepackage[utf8]{{inputenc}} \usepackage{{booktabs}}
"""


def render_latex(report: Report) -> str:
    """Return every table of scores; those that say what was run are left to the other formats."""
    parts = [_HEADER.format(title=re.sub(r"\s+", " ", report.title).replace("%", ""))]
    for section in numbered(report.sections):
        parts += [_table(number, table) for number, table in section.tables if table.is_numeric]
    return "\n".join(parts)


def escape(text: str) -> str:
    """Return `text` so that LaTeX prints it as it is."""
    return "".join(_SPECIAL.get(char, char) for char in text)


def _table(number: int, table: Table) -> str:
    num_numbers = len(table.head) - table.num_heads
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape(table.caption)}}}",
        rf"  \label{{tab:domainlm-{number}}}",
        r"  \begin{tabular}{" + "l" * table.num_heads + "r" * num_numbers + "}",
        r"    \toprule",
        *_group_lines(table),
        f"    {' & '.join(map(escape, table.head))} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(map(_cell, row))} \\\\" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _group_lines(table: Table) -> list[str]:
    """Heads that span columns, with a rule below each."""
    if not table.groups:
        return []
    cells, rules = [""] * table.num_heads, []
    column = table.num_heads + 1
    for text, count in table.groups:
        cells.append(rf"\multicolumn{{{count}}}{{c}}{{{escape(text)}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + count - 1}}}")
        column += count
    return [f"    {' & '.join(cells)} \\\\", f"    {' '.join(rules)}"]


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.is_best:
        text = rf"\textbf{{{text}}}"
    elif cell.is_quoted and text:
        text = rf"\textit{{{text}}}"
    mark = rf"\textsuperscript{{{escape(cell.mark)}}}" if cell.mark else ""
    fine = rf" {{\footnotesize ({escape(', '.join(cell.fine_print))})}}" if cell.fine_print else ""
    return text + mark + fine

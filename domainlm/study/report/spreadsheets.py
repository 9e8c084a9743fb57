"""The report for spreadsheets and programs: every score in long form, and each table as it is printed."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence

from domainlm.study.report.content import Cell, Report, Table
from domainlm.study.report.numbering import numbered
from domainlm.study.report.records import Row

_COLUMNS = (
    *("stage", "task", "dataset", "split", "protocol", "type", "metric", "value", "seed", "model", "arm", "size"),
    *("parameters", "architecture", "vocabulary", "vocabulary_size", "corpus", "start", "steps", "after", "signature"),
)
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?")


def long_form(rows: Sequence[Row]) -> str:
    """Return a line for each row of results.json, values in full; each varied key has a column of its own."""
    varied = list(dict.fromkeys(key for row in rows for key in (*row.cell, *row.settings) if key not in _COLUMNS))
    head = [*_COLUMNS, *varied]
    return _text([head, *([_value(row, name) for name in head] for row in rows)])


def printed_tables(report: Report) -> Iterator[tuple[str, str]]:
    """Return name and content of a file for each table of the report, numbered as in the report."""
    for section in numbered(report.sections):
        for number, table in section.tables:
            yield f"table-{number:02}.csv", _table(table)


def _table(table: Table) -> str:
    return _text([table.flat_head, *([_printed(cell) for cell in row] for row in table.rows)])


def _printed(cell: Cell) -> str:
    return cell.text + cell.mark + (f" ({', '.join(cell.fine_print)})" if cell.fine_print else "")


def _value(row: Row, name: str) -> str:
    value = row.cell.get(name, row.settings.get(name)) if name not in _COLUMNS else getattr(row, name)
    if name == "arm" and value is None:
        value = row.cell.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | int) else repr(value)


def _text(lines: Iterable[Sequence[str]]) -> str:
    """Return lines as CSV (RFC 4180, line feeds). What a spreadsheet would take for a formula gets an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for line in lines:
        writer.writerow([_safe(text) for text in line])
    return buffer.getvalue()


def _safe(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text

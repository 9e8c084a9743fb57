"""Writes the reports, whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from domainlm.files import write_whole
from domainlm.study.report.content import Report
from domainlm.study.report.html import render_html
from domainlm.study.report.latex import render_latex
from domainlm.study.report.load import load_results
from domainlm.study.report.markdown import render_markdown
from domainlm.study.report.records import Results
from domainlm.study.report.sections import build_report
from domainlm.study.report.spreadsheets import long_form, printed_tables

HTML_NAME = "report.html"
MARKDOWN_NAME = "report.md"
LATEX_NAME = "report.tex"
LONG_NAME = "scores.csv"
TABLES_NAME = "tables"
_TABLE = re.compile(r"table-[0-9]{2,}\.csv")

_Files = Iterator[tuple[str, str]]


def _csv_files(report: Report, results: Results) -> _Files:
    yield LONG_NAME, long_form(results.rows)
    for name, text in printed_tables(report):
        yield f"{TABLES_NAME}/{name}", text


_RENDERERS: Mapping[str, Callable[[Report, Results], _Files]] = {
    "markdown": lambda report, _: iter([(MARKDOWN_NAME, render_markdown(report, HTML_NAME))]),
    "html": lambda report, _: iter([(HTML_NAME, render_html(report))]),
    "csv": _csv_files,
    "latex": lambda report, _: iter([(LATEX_NAME, render_latex(report))]),
}
FORMATS = tuple(_RENDERERS)


def write_report(out: Path, formats: Collection[str] = FORMATS) -> tuple[Path, ...]:
    """Write the report of a run.

    It is made from `out`/results.json, the losses and units in `out`/logs/ that it names, and `out`/cost.json. The same
    files give the same bytes; but cost.json says how long it took, which differs from one run to the next.

    Results of a run that is not complete are reported as far as they go, with what is missing named.

    Args:
        out: output folder of a run.
        formats: of "markdown" (report.md), "html" (report.html), "latex" (report.tex), "csv" (scores.csv and tables/).

    Returns:
        What was written, files and folders.

    Raises:
        DataError: results.json is missing, damaged or contradicts itself.
        OSError: the folder cannot be written.
    """
    results = load_results(out)
    report = build_report(results)
    files = {name: text for each in FORMATS if each in formats for name, text in _RENDERERS[each](report, results)}
    if "csv" in formats:
        # There may have been more of them; other files are not ours.
        for old in [path for path in (out / TABLES_NAME).glob("*") if _TABLE.fullmatch(path.name)]:
            old.unlink()
    for name, text in files.items():
        write_whole(out / name, text.encode())
    return tuple(dict.fromkeys(out / Path(name).parts[0] for name in files))

"""Writes the reports, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from domainlm.study.files import write_atomically
from domainlm.study.report.html import render_html
from domainlm.study.report.load import load_results
from domainlm.study.report.markdown import render_markdown
from domainlm.study.report.sections import build_report

HTML_NAME = "report.html"
MARKDOWN_NAME = "report.md"


def write_report(out: Path) -> None:
    """Write `out`/report.md and `out`/report.html from `out`/results.json and the logs it names, and nothing else.

    The same results give the same bytes. Results of a run that is not complete are reported as far as they go, with
    what is missing named.

    Raises:
        DataError: results.json is missing, damaged or contradicts itself.
        OSError: the folder cannot be written.
    """
    report = build_report(load_results(out))
    pages = {MARKDOWN_NAME: render_markdown(report, HTML_NAME), HTML_NAME: render_html(report)}
    for name, text in pages.items():
        write_atomically(out / name, text.encode())

"""The report as one HTML page that needs nothing from outside: style and plots are in the page, there is no script."""

from __future__ import annotations

import base64
import re

from domainlm.study.report.content import Report
from domainlm.study.report.numbering import numbered
from domainlm.study.report.templating import environment


def render_html(report: Report) -> str:
    """Return the page."""
    templates = environment(autoescape=True)
    templates.filters["data_uri"] = _data_uri
    templates.filters["tied"] = _tied
    return templates.get_template("report.html.j2").render(report=report, sections=numbered(report.sections))


def _data_uri(svg: str) -> str:
    """Return a plot as an image of its own, so that nothing in it can touch the page."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _tied(text: str) -> str:
    """Return `text` with the blanks inside "71.2 ± 0.4" and "n = 2" kept from breaking a line."""
    return re.sub(r" ± |(?<=\bn) = ", lambda found: found.group().replace(" ", "\N{NO-BREAK SPACE}"), text)

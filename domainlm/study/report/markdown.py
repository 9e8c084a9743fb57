"""The report as Markdown (GitHub's dialect): every table and sentence, the plots by reference to the page."""

from __future__ import annotations

import re

from domainlm.study.report.content import Report
from domainlm.study.report.numbering import numbered
from domainlm.study.report.templating import environment

_SPECIAL = re.compile(r"[\\`*\[\]|~#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def render_markdown(report: Report, page_name: str) -> str:
    """Return the Markdown text; `page_name` is the HTML page beside it, which shows the plots."""
    templates = environment(autoescape=False)
    templates.filters["md"] = escape
    templates.filters["fence"] = _fence
    template = templates.get_template("report.md.j2")
    text = template.render(report=report, sections=numbered(report.sections), page_name=page_name)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def escape(text: str) -> str:
    r"""Return `text` so that Markdown shows it as it is and no HTML comes of it; `num_steps=0` stays readable."""
    without_tags = "".join(_ENTITIES.get(char, char) for char in text)
    return _SPECIAL.sub(lambda found: f"\\{found.group()}", without_tags)


def _fence(code: str) -> str:
    """Return a fence that the code does not hold."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    return "`" * max(3, longest + 1)

"""The template engine, set up alike for both formats."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(*, autoescape: bool) -> Environment:
    """Return an engine for the templates beside this file; a misspelled variable is an error."""
    return Environment(
        loader=PackageLoader("domainlm.study.report"),
        autoescape=autoescape,  # noqa: S701 - Markdown has its own escaping
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

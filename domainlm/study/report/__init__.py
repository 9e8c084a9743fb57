"""The report of a run: Markdown and a page that stands alone, made from results.json and the loss logs."""

from __future__ import annotations

from domainlm.study.report.write import write_report

__all__ = ["write_report"]

"""The report of a run: Markdown and a page that stands alone, made from a run's files.

Those are results.json, the losses and units in logs/ that it names, and cost.json.
"""

from __future__ import annotations

from domainlm.study.report.write import write_report

__all__ = ["write_report"]

"""Rows that belong together: the scores of one model over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from domainlm.study.report.aggregate import Summary, summarise
from domainlm.study.report.records import Row
from domainlm.study.report.significance import Sample
from domainlm.study.report.units import Units
from domainlm.tasks.signature import merge_seeds


@dataclass(frozen=True, slots=True)
class Pool:
    """Scores of one metric that belong together: those of one model over its seeds, if all is well.

    Attributes:
        rows: in the order of results.json.
        units: what scores were counted from, by file.
    """

    rows: tuple[Row, ...]
    units: Mapping[str, Units]

    @property
    def is_one_model(self) -> bool:
        """Whether these are of one model on one data set, each seed once: a mean over them is one over seeds."""
        models = {(row.model, row.dataset, frozenset(row.cell.items())) for row in self.rows}
        return len(models) == 1 and len({row.seed for row in self.rows}) == len(self.rows)

    @property
    def mean(self) -> float:
        """Arithmetic mean of all scores, of whatever model."""
        return statistics.fmean(row.value for row in self.rows)

    @property
    def summary(self) -> Summary:
        """Mean and deviation over seeds."""
        return summarise({row.seed: row.value for row in self.rows})

    @property
    def sample(self) -> Sample:
        """What tests of significance need."""
        units = {row.seed: self.units[row.units] for row in self.rows if row.units in self.units}
        return Sample({row.seed: row.value for row in self.rows}, units)

    @property
    def signatures(self) -> tuple[str, ...]:
        """How the scores came about, their seeds merged."""
        return merge_seeds(row.signature for row in self.rows if row.signature)

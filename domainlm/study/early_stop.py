"""Ends a pretraining at a scored step where a task's dev score has stopped rising.

The graph holds all scored steps, and no stage's key knows of this: which of them are made is decided while they are, by
scores that are the same whenever they are computed.
"""

from __future__ import annotations

import json
import logging
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from domainlm.files import read_json
from domainlm.recipe.scored_steps import pretraining_of
from domainlm.study.graph import CellStages
from domainlm.study.report.metrics import metric_facts, sort_metrics
from domainlm.study.same_seeds import missing_seeds, with_most_seeds
from domainlm.study.store import Artifact

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Course:
    """One pretraining, scored so far."""

    task: str
    patience: int
    cell: Mapping[str, Any]
    metric: str = ""
    by_seed: dict[int, dict[int, float]] = field(default_factory=dict)
    not_made: list[int] = field(default_factory=list)

    @property
    def scores(self) -> list[tuple[int, float]]:
        """Step and mean over seeds; not of a step that lacks a seed which another has, since it failed."""
        return [(step, statistics.fmean(self.by_seed[step].values())) for step in with_most_seeds(self.by_seed)]

    @property
    def lacking(self) -> dict[int, list[int]]:
        """The steps that are left out for that, with the seeds that they lack."""
        scored = with_most_seeds(self.by_seed)
        return {step: seeds for step, seeds in missing_seeds(self.by_seed).items() if step not in scored}

    @property
    def best(self) -> tuple[int, float]:
        """The best scored step, of equal ones the first."""
        sign = -1.0 if metric_facts(self.metric).higher_is_better is False else 1.0
        return max(self.scores, key=lambda each: sign * each[1])

    @property
    def is_over(self) -> bool:
        """Whether so many scored steps in a row brought nothing better."""
        if not self.scores:
            return False
        steps = [step for step, _ in self.scores]
        return len(steps) - 1 - steps.index(self.best[0]) >= self.patience

    def as_dict(self) -> dict[str, Any]:
        """As results.json has it."""
        lacking = self.lacking
        return {
            "cell": dict(self.cell),
            "task": self.task,
            "metric": self.metric,
            "dev_scores": [{"step": step, "value": value} for step, value in self.scores],
            "best_step": self.best[0],
            "steps_not_made": self.not_made,
        } | ({"missing_seeds": {str(step): seeds for step, seeds in lacking.items()}} if lacking else {})


class EarlyStops:
    """Follows the cells of a run in their order."""

    def __init__(self) -> None:
        self._courses: dict[str, _Course] = {}

    def rounds(self, cells: Sequence[CellStages], left_out: Callable[[CellStages], None]) -> Iterator[list[CellStages]]:
        """The next cell of every pretraining that goes on, so that pretrainings are made beside one another.

        Args:
            cells: all; those that may end early are taken. The caller makes and notes the cells of a round before it
                asks for the next.
            left_out: told of each cell that is not made.
        """
        courses: dict[int, list[CellStages]] = {}
        for cell in cells:
            course = self._course(cell)
            if course is not None:
                courses.setdefault(id(course), []).append(cell)
        for next_ones in zip_longest(*courses.values()):
            found = []
            for cell in next_ones:
                if cell is not None and self.wants(cell):
                    found.append(cell)
                elif cell is not None:
                    left_out(cell)
            if found:
                yield found

    def wants(self, cell: CellStages) -> bool:
        """Whether a cell is to be made; the log says where it is not."""
        course = self._course(cell)
        if course is None or not course.is_over:
            return True
        step, value = course.best
        last = cell.definition.recipe.pretraining.last_step
        course.not_made.append(last)
        _log.info(
            "early stop: no pretraining to step %d, since %s of %s on dev was best after step %d (%.4g)",
            *(last, course.metric, course.task, step, value),
        )
        return False

    def follows(self, cell: CellStages) -> bool:
        """Whether a cell belongs to a pretraining that may end early."""
        return self._course(cell) is not None

    def note(self, cell: CellStages, artifacts: Mapping[str, Artifact]) -> None:
        """Remember the dev score of a cell that was made, unless its task failed."""
        course = self._course(cell)
        if course is None:
            return
        values = {}
        for stage in cell.finetuning:
            if stage.name == course.task and stage.key in artifacts:
                scores = read_json(artifacts[stage.key].folder / "scores.json")["scores"]
                course.metric, values[stage.seed] = _dev_score(scores)
        if values:
            course.by_seed[cell.definition.recipe.pretraining.last_step] = values

    def as_list(self) -> list[dict[str, Any]]:
        """What was decided, for results.json."""
        return [course.as_dict() for course in self._courses.values() if course.by_seed]

    def _course(self, cell: CellStages) -> _Course | None:
        settings = cell.definition.recipe.pretraining.early_stop
        if settings is None:
            return None
        varied = pretraining_of(cell.definition.varied)
        key = json.dumps(varied, sort_keys=True)
        return self._courses.setdefault(key, _Course(settings.task, settings.patience, varied))


def _dev_score(scores: list[dict[str, Any]]) -> tuple[str, float]:
    """The metric to judge by and its value, of the protocol that comes first; all types together."""
    on_dev = [score for score in scores if score["split"] == "dev" and not score.get("type")]
    protocol = on_dev[0]["protocol"]
    values = {score["metric"]: score["value"] for score in on_dev if score["protocol"] == protocol}
    metric = sort_metrics(set(values))[0]
    return metric, float(values[metric])

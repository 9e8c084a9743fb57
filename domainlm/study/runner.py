"""Makes the stages of a graph in order of dependency; what is finished already is taken as it stands."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from domainlm import __version__
from domainlm.api import CheckpointInfo, ProblemLog, RunInfo, StageInfo, StepInfo
from domainlm.plugin.observers import Observers
from domainlm.study.early_stop import EarlyStops
from domainlm.study.graph import CellStages, Graph
from domainlm.study.stage import Stage, StageContext
from domainlm.study.store import Artifact, Store

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Runner:
    """Runs the stages of one run.

    Attributes:
        store: where the artifacts are.
        run: what observers are told of the run.
        observers: the plugins' observer hooks.
        num_cached: stages that were not made anew.
        artifacts: by the key of their stage.
        early_stops: the pretrainings that may end early.
        cells: those that were made; others are scored steps that an early stop left out.
    """

    store: Store
    run: RunInfo
    observers: Observers
    num_cached: int = 0
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    early_stops: EarlyStops = field(default_factory=EarlyStops)
    cells: list[CellStages] = field(default_factory=list)

    def run_all(self, graph: Graph) -> dict[str, Artifact]:
        """Make every stage of `graph`, early stops aside; returns the artifacts by the key of their stage."""
        num_stages = len(graph.ordered())
        for cell in graph.cells:
            if not self.early_stops.wants(cell):
                continue
            for stage in cell.ordered():
                if stage.key not in self.artifacts:
                    number = len(self.artifacts) + 1
                    self._run_one(stage, f"[{number}/{num_stages}] {stage.kind}: {stage.label}")
            self.early_stops.note(cell, self.artifacts)
            self.cells.append(cell)
        return self.artifacts

    def _run_one(self, stage: Stage, title: str) -> None:
        started = time.monotonic()
        artifact = self.store.find(stage.kind, stage.key)
        cached = artifact is not None
        if artifact is None:
            _log.info("%s", title)
            artifact = self._make(stage)
            _report_problems(artifact, title)
        else:
            _log.info("%s (done before)", title)
            self.num_cached += 1
        self.artifacts[stage.key] = artifact
        seconds = 0.0 if cached else time.monotonic() - started
        info = StageInfo(kind=stage.kind, key=stage.key, folder=artifact.folder, cached=cached, seconds=seconds)
        self.observers.stage_ended(self.run, info)

    def _make(self, stage: Stage) -> Artifact:
        with self.store.work(stage.kind, stage.key) as folder:
            if folder is not None:
                problems = ProblemLog()
                read = {**stage.inputs, **stage.hints}
                inputs = {role: self.artifacts[below.key].folder for role, below in read.items()}
                started = time.time()
                facts = stage.make(StageContext(folder, inputs, problems, _Told(self.run, self.observers)))
                return self.store.finish(
                    folder,
                    {
                        "kind": stage.kind,
                        "key": stage.key,
                        "version": stage.version,
                        "label": stage.label,
                        "identity": dict(stage.identity()),
                        "inputs": {role: below.key for role, below in stage.inputs.items()},
                        "facts": dict(facts),
                        "problems": problems.as_dict(),
                        "domainlm": __version__,
                        "seconds_of_last_attempt": round(time.time() - started, 3),
                    },
                )
        artifact = self.store.find(stage.kind, stage.key)
        assert artifact is not None, "another run finished it while we waited for its lock"
        return artifact


@dataclass(frozen=True, slots=True)
class _Told:
    """Passes what the training loop tells on to the plugins."""

    run: RunInfo
    observers: Observers

    def step_ended(self, info: StepInfo) -> None:
        self.observers.step_ended(self.run, info)

    def checkpoint_saved(self, info: CheckpointInfo) -> None:
        self.observers.checkpoint_saved(self.run, info)


def _report_problems(artifact: Artifact, title: str) -> None:
    problems = artifact.manifest["problems"]
    for kind, count in problems["counts"].items():
        first = next(example for example in problems["examples"] if example["kind"] == kind)
        _log.warning("%s: %d x %s, first at %s: %s", title, count, kind, first["where"], first["detail"])

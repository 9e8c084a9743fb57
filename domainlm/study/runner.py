"""Makes the stages of a graph in order of dependency; what is finished already is taken as it stands.

A stage that fails takes along what needs it; the rest goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from domainlm.api import RunInfo, StageInfo
from domainlm.cancellation import check_cancelled
from domainlm.errors import TOLD, StudyError, UserError
from domainlm.plugin.observers import Observers
from domainlm.study.attempts import (
    failure_of,
    forget_failure,
    is_of_the_machine,
    message_of,
    note_failure,
    take_observers,
)
from domainlm.study.begun import warn_if_begun_elsewhere
from domainlm.study.early_stop import EarlyStops
from domainlm.study.graph import CellStages, Graph
from domainlm.study.graph_parts.measures import MeasuredStages
from domainlm.study.making import make_stage
from domainlm.study.stage import Stage
from domainlm.study.store import Artifact, Store
from domainlm.study.workers import Job, Workers

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.1


@dataclass(slots=True)
class _Running:
    """A job on a stage, when it began, and when it was first seen to have ended (by `time.monotonic`)."""

    stage: Stage
    job: Job
    started: float
    ended: float | None = None


_Jobs = dict[str, _Running]
"""By the key of the stage."""


@dataclass(slots=True)
class Runner:
    """Runs the stages of one run.

    Attributes:
        store: where the artifacts are.
        run: what observers are told of the run.
        observers: the plugins' observer hooks.
        workers: processes that make stages beside one another; None: this process makes them, one after the other.
        keeps_going: whether other stages are made after one has failed.
        wanted: keys of the stages to make, others being taken where they are done; None: all.
        num_cached: stages that were not made anew.
        failed: by the key of a stage that failed, what it said.
        left_out: keys of stages that need one that failed.
        error: the first stage's, where this process met it.
        artifacts: by the key of their stage.
        early_stops: the pretrainings that may end early.
        cells: those that were made; others are scored steps that an early stop left out.
    """

    store: Store
    run: RunInfo
    observers: Observers
    workers: Workers | None = None
    keeps_going: bool = True
    wanted: frozenset[str] | None = None
    num_cached: int = 0
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    error: Exception | None = None
    early_stops: EarlyStops = field(default_factory=EarlyStops)
    cells: list[CellStages] = field(default_factory=list)
    _titles: dict[str, str] = field(default_factory=dict)
    _problems_told: set[str] = field(default_factory=set)

    def run_all(self, graph: Graph) -> dict[str, Artifact]:
        """Make every stage of `graph` that is wanted, early stops aside; returns the artifacts by their stage's key."""
        stages = graph.ordered()
        to_make = [stage for stage in stages if self._wants(stage)]
        for number, stage in enumerate(to_make, start=1):
            self._titles[stage.key] = f"[{number}/{len(to_make)}] {stage.kind}: {stage.label}"
        whole: list[CellStages | MeasuredStages] = [*graph.measured]
        whole += [cell for cell in graph.cells if not self.early_stops.follows(cell)]
        sure = {stage.key for cell in whole for stage in cell.ordered()}
        self._make_all([stage for stage in stages if stage.key in sure])
        left_out: list[CellStages] = []
        for cells in self.early_stops.rounds(graph.cells, left_out.append):
            self._make_all([stage for cell in cells for stage in cell.ordered()])
            for cell in cells:
                self.early_stops.note(cell, self.artifacts)
        self.cells = [cell for cell in graph.cells if not any(cell is each for each in left_out)]
        return self.artifacts

    def _make_all(self, stages: Sequence[Stage]) -> None:
        settled = {*self.artifacts, *self.failed, *self.left_out}
        stages = list({stage.key: stage for stage in stages}.values())  # cells share some
        waiting = [stage for stage in stages if stage.key not in settled and self._wants(stage)]
        if self.workers is not None:
            self._make_together(waiting, self.workers)
        else:
            for stage in waiting:
                if not self._is_blocked(stage) and not self._was_done(stage):
                    self._make_here(stage)
        self._take_done([stage for stage in stages if stage.key not in settled and not self._wants(stage)])

    def _wants(self, stage: Stage) -> bool:
        return self.wanted is None or stage.key in self.wanted

    def _take_done(self, stages: Sequence[Stage]) -> None:
        """Take what was done before of stages that are not to be made."""
        for stage in stages:
            artifact = self.store.find(stage.kind, stage.key)
            if artifact is not None and all(below.key in self.artifacts for below in stage.inputs.values()):
                self.artifacts[stage.key] = artifact

    def _is_blocked(self, stage: Stage) -> bool:
        """Whether an input has failed; the stage is left out then."""
        if all(below.key not in self.failed and below.key not in self.left_out for below in stage.inputs.values()):
            return False
        _log.debug("%s: not made, since it needs what failed", self._titles[stage.key])
        self.left_out.add(stage.key)
        return True

    def _was_done(self, stage: Stage) -> bool:
        artifact = self.store.find(stage.kind, stage.key)
        if artifact is None:
            return False
        _log.info("%s (done before)", self._titles[stage.key])
        self.num_cached += 1
        self._ended(stage, artifact, None)
        return True

    def _make_here(self, stage: Stage) -> None:
        started = time.monotonic()
        _log.info("%s", self._titles[stage.key])
        try:
            self._check_inputs(stage, coming=())
            warn_if_begun_elsewhere(self.store, stage, self._titles)
            artifact = make_stage(stage, self.store, self.run, self.observers)
        except Exception as error:
            if not self.keeps_going or is_of_the_machine(error):
                raise
            self.error = self.error or error
            if isinstance(error, UserError):
                _log.debug("its traceback:", exc_info=error)
            else:
                _log.exception("this may be a bug:")
                error.add_note(TOLD)
            self._failed(stage, message_of(error))
        else:
            self._ended(stage, artifact, time.monotonic() - started)

    def _check_inputs(self, stage: Stage, coming: Collection[str]) -> None:
        """Refuse a stage with an input that is neither there nor among those that are yet to come.

        Cells hold all that their stages need, so this is a mistake of ours; unseen, it would have workers waited for
        without an end.
        """
        lacking = [below for below in stage.inputs.values() if below.key not in self.artifacts]
        never = [f"{below.kind}: {below.label}" for below in lacking if below.key not in coming]
        if never:
            raise StudyError(
                "needs a stage that this run does not make",
                where=self._titles[stage.key],
                given=", ".join(never),
                remedy="this may be a bug of domainlm; running the same command again keeps what is done",
            )

    def _is_ready(self, stage: Stage, coming: Collection[str]) -> bool:
        """Whether its inputs are there, and its hints if they are among the stages that are yet to come."""
        has_inputs = all(below.key in self.artifacts for below in stage.inputs.values())
        return has_inputs and not any(below.key in coming for below in stage.hints.values())

    def _make_together(self, stages: Sequence[Stage], workers: Workers) -> None:
        waiting = {stage.key: stage for stage in stages}
        jobs: _Jobs = {}
        try:
            while waiting or jobs:
                self._start_ready(waiting, jobs, workers)
                for key in self._wait_for_any(jobs):
                    self._job_ended(jobs.pop(key))
        finally:
            workers.stop([running.job for running in jobs.values()])

    def _start_ready(self, waiting: dict[str, Stage], jobs: _Jobs, workers: Workers) -> None:
        """Start what is ready and not done before, while a worker is free: the store is asked of no more than that."""
        coming = {*jobs, *waiting}
        for stage in list(waiting.values()):
            if len(jobs) >= workers.size:
                return
            is_settled = self._is_blocked(stage) or self._never_comes(stage, coming)
            if not is_settled and not self._is_ready(stage, coming):
                continue
            del waiting[stage.key]
            if is_settled or self._was_done(stage):
                coming.remove(stage.key)
            else:
                jobs[stage.key] = _Running(stage, self._start(stage, workers), time.monotonic())

    def _start(self, stage: Stage, workers: Workers) -> Job:
        forget_failure(self.store, stage)
        warn_if_begun_elsewhere(self.store, stage, self._titles)
        take_observers(self.store, stage)  # of a worker whose run was stopped
        job = workers.start(stage)
        _log.info("%s: started", self._titles[stage.key])
        return job

    def _never_comes(self, stage: Stage, coming: Collection[str]) -> bool:
        """Whether an input is missing for good; the stage has failed then."""
        try:
            self._check_inputs(stage, coming)
        except StudyError as error:
            self._failed(stage, message_of(error))
            return True
        return False

    def _wait_for_any(self, jobs: _Jobs) -> list[str]:
        """Keys of the jobs that have come to something, once there are some; none where there are no jobs."""
        while jobs:
            settled = [key for key, running in jobs.items() if self._is_settled(running)]
            if settled:
                return settled
            check_cancelled()
            time.sleep(_POLL_SECONDS)
        return []

    def _is_settled(self, running: _Running) -> bool:
        """Whether a job has ended and what it left is there, or has had the time to show."""
        if not running.job.has_ended():
            return False
        running.ended = running.ended or time.monotonic()
        if time.monotonic() - running.ended >= running.job.seconds_until_seen:
            return True
        stage = running.stage
        self.store.look_again(stage.kind)
        return self.store.find(stage.kind, stage.key) is not None or failure_of(self.store, stage) is not None

    def _job_ended(self, running: _Running) -> None:
        stage = running.stage
        self.observers.repeat(take_observers(self.store, stage))
        artifact = self.store.find(stage.kind, stage.key)
        if artifact is None:
            self._failed(stage, failure_of(self.store, stage) or running.job.last_words())
        else:
            seconds = time.monotonic() - running.started
            _log.info("%s: done in %.1f s", self._titles[stage.key], seconds)
            self._ended(stage, artifact, seconds)

    def _failed(self, stage: Stage, message: str) -> None:
        note_failure(self.store, stage, message)
        # The whole message is in the results, and ends the run where nothing else could be made.
        _log.error("%s: failed: %s", self._titles[stage.key], message.partition("\n")[0])
        self.failed[stage.key] = message

    def _ended(self, stage: Stage, artifact: Artifact, seconds: float | None) -> None:
        """A stage is there; `seconds` is None where it was done before."""
        self.artifacts[stage.key] = artifact
        if seconds is not None:
            self._report_problems(artifact, self._titles[stage.key])
        info = StageInfo(
            kind=stage.kind, key=stage.key, folder=artifact.folder, cached=seconds is None, seconds=seconds or 0.0
        )
        self.observers.stage_ended(self.run, info)

    def _report_problems(self, artifact: Artifact, title: str) -> None:
        """Say what was skipped or mended; once, though every cell and every seed reads the same files."""
        problems = artifact.manifest["problems"]
        for kind, count in problems["counts"].items():
            first = next(example for example in problems["examples"] if example["kind"] == kind)
            told = f"{count} x {kind}, first at {first['where']}: {first['detail']}"
            if told not in self._problems_told:
                self._problems_told.add(told)
                _log.warning("%s: %s", title, told)

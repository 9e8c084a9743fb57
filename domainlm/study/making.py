"""Makes one stage: its work folder, what observers hear, its manifest, and how fast it trained."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from domainlm import __version__
from domainlm.api import CheckpointInfo, ProblemLog, RunInfo, StepInfo
from domainlm.plugin.observers import Observers
from domainlm.study.attempts import forget_failure
from domainlm.study.begun import note_begun
from domainlm.study.speed import Pace, remember_speed
from domainlm.study.stage import Stage, StageContext
from domainlm.study.store import Artifact, Store


def make_stage(stage: Stage, store: Store, run: RunInfo, observers: Observers) -> Artifact:
    """Make a stage whose inputs are in the store, or take what another run has made meanwhile.

    Raises:
        Exception: whatever the stage fails with; what it has done so far is kept for the next attempt.
    """
    forget_failure(store, stage)
    with store.work(stage.kind, stage.key) as folder:
        if folder is not None:
            problems = ProblemLog()
            inputs = {role: store.folder(below.kind, below.key) for role, below in stage.inputs.items()}
            hinted = {role: store.find(below.kind, below.key) for role, below in stage.hints.items()}
            inputs |= {role: artifact.folder for role, artifact in hinted.items() if artifact is not None}
            told = _Told(run, observers)
            note_begun(folder, stage)
            started = time.time()
            facts = stage.make(StageContext(folder, inputs, problems, told))
            speed = remember_speed(store.root, stage, store, told.pace)
            return store.finish(
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
                    **({} if speed is None else {"speed": speed}),
                },
            )
    artifact = store.find(stage.kind, stage.key)
    assert artifact is not None, "another run finished it while we waited for its lock"
    return artifact


@dataclass(slots=True)
class _Told:
    """Passes what the training loop tells on to the plugins, and takes the time of its steps."""

    run: RunInfo
    observers: Observers
    pace: Pace = field(default_factory=Pace)

    def step_ended(self, info: StepInfo) -> None:
        self.pace.add(info)
        self.observers.step_ended(self.run, info)

    def checkpoint_saved(self, info: CheckpointInfo) -> None:
        self.observers.checkpoint_saved(self.run, info)

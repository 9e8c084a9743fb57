"""Observers hear of everything, and cannot end a run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm import hookimpl
from domainlm.api import CheckpointInfo, RunInfo, RunSummary, Score, StageInfo, StepInfo

Fixture = Callable[..., Any]

_RUN = RunInfo(name="watch", recipe_path=Path("watch.toml"), out=Path("out"), num_stages=2)
_STAGE = StageInfo(kind="corpus", key="ab12", folder=Path("store"), cached=False, seconds=1.5)
_STEP = StepInfo(phase="pretrain", step=1, num_steps=9, metrics={"loss": 2.0}, num_tokens=64, seconds=0.1)
_CHECKPOINT = CheckpointInfo(folder=Path("step-1"), step=1)
_SCORE = Score(
    stage="finetune",
    task="harbour/arrivals",
    dataset="arrivals",
    split="test",
    metric="f1",
    protocol="conlleval entity",
    value=0.5,
    seed=0,
)
_SUMMARY = RunSummary(status="complete", results=None, seconds=2.0, num_stages_cached=0)


def test_every_observer_hears_its_facts(load_these: Fixture) -> None:
    heard: list[tuple[object, ...]] = []

    class Watch:
        @hookimpl
        def domainlm_run_started(self, run: RunInfo) -> None:
            heard.append(("started", run))

        @hookimpl
        def domainlm_stage_ended(self, run: RunInfo, stage: StageInfo) -> None:
            heard.append(("stage", run, stage))

        @hookimpl
        def domainlm_step_ended(self, step: StepInfo) -> None:
            heard.append(("step", step))

        @hookimpl
        def domainlm_checkpoint_saved(self, checkpoint: CheckpointInfo, run: RunInfo) -> None:
            heard.append(("checkpoint", checkpoint, run))

        @hookimpl
        def domainlm_task_scored(self, run: RunInfo, score: Score) -> None:
            heard.append(("score", run, score))

        @hookimpl
        def domainlm_run_ended(self, run: RunInfo, summary: RunSummary) -> None:
            heard.append(("ended", run, summary))

    observers = load_these(harbour=Watch()).observers
    observers.run_started(_RUN)
    observers.stage_ended(_RUN, _STAGE)
    observers.step_ended(_RUN, _STEP)
    observers.checkpoint_saved(_RUN, _CHECKPOINT)
    observers.task_scored(_RUN, _SCORE)
    observers.run_ended(_RUN, _SUMMARY)

    assert heard == [
        ("started", _RUN),
        ("stage", _RUN, _STAGE),
        ("step", _STEP),
        ("checkpoint", _CHECKPOINT, _RUN),
        ("score", _RUN, _SCORE),
        ("ended", _RUN, _SUMMARY),
    ]


def test_a_failing_observer_is_warned_of_once_and_the_others_still_hear(
    load_these: Fixture, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    class Leaking:
        @hookimpl
        def domainlm_step_ended(self, step: StepInfo) -> None:
            raise ValueError(f"pump broken at step {step.step}")

    class Sound:
        @hookimpl
        def domainlm_step_ended(self, step: StepInfo) -> None:
            heard.append(step.step)

    observers = load_these(leaking=Leaking(), sound=Sound()).observers
    with caplog.at_level(logging.WARNING):
        observers.run_started(_RUN)
        for _ in range(3):
            observers.step_ended(_RUN, _STEP)
        observers.run_ended(_RUN, _SUMMARY)

    assert heard == [1, 1, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "domainlm_step_ended of plugin leaking 1.2 [main] failed: ValueError: pump broken at step 1",
        "domainlm_step_ended of plugin leaking 1.2 [main] failed 3 times",
    ]


def test_what_failed_in_another_process_is_warned_of_and_counted(
    load_these: Fixture, caplog: pytest.LogCaptureFixture
) -> None:
    class Leaking:
        @hookimpl
        def domainlm_step_ended(self) -> None:
            raise ValueError("pump broken")

    elsewhere, here = load_these(leaking=Leaking()).observers, load_these(leaking=Leaking()).observers
    here.run_started(_RUN)
    for _ in range(2):
        elsewhere.step_ended(_RUN, _STEP)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        here.repeat(elsewhere.failures)
        here.step_ended(_RUN, _STEP)
        here.run_ended(_RUN, _SUMMARY)

    assert [record.getMessage() for record in caplog.records] == [
        "domainlm_step_ended of plugin leaking 1.2 [main] failed: ValueError: pump broken",
        "domainlm_step_ended of plugin leaking 1.2 [main] failed 3 times",
    ]


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_inside_an_observer_passes(load_these: Fixture, signal: type[BaseException]) -> None:
    class Watch:
        @hookimpl
        def domainlm_run_started(self) -> None:
            raise signal

    with pytest.raises(signal):
        load_these(harbour=Watch()).observers.run_started(_RUN)


def test_observers_of_a_broken_plugin_are_not_called(load_these: Fixture) -> None:
    heard: list[str] = []

    class Broken:
        @hookimpl
        def domainlm_run_started(self) -> None:
            heard.append("broken")

        @hookimpl
        def domainlm_tasks(self) -> list[object]:
            return [object()]

    loaded = load_these(strict=False, harbour=Broken())
    loaded.observers.run_started(_RUN)

    assert len(loaded.broken) == 1
    assert heard == []

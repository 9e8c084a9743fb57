"""Losses and gradients that are not finite, and a full disk."""

from __future__ import annotations

import json
import math
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from loop_bench import (
    Bench,
    Killed,
    Make,
    ReadMetrics,
    Weights,
    raise_killed,
    same,
)

from domainlm.errors import ModelError


def _spoil(bench: Bench, patch: pytest.MonkeyPatch, bad: float, steps: range) -> None:
    """Put a target that is not finite into some steps."""
    real = bench.source.micro_batches

    def micro_batches(step: int) -> Any:  # noqa: ANN401
        batches = real(step)
        if step + 1 in steps:
            batches[1].targets[0] = bad
        return batches

    patch.setattr(type(bench.source), "micro_batches", lambda _, step: micro_batches(step))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_losses_that_are_not_finite_stop_the_run_in_the_end(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics, bad: float
) -> None:
    _spoil(bench, monkeypatch, bad, range(5, 13))
    with pytest.raises(ModelError, match=rf"(?s)loss is {bad} at step 7 of 12, first in.*3 such.*remedy:.*fp32"):
        bench.run(tmp_path, num_bad_steps_until_stop=3)

    assert [line.get("skipped", 0.0) for line in read_metrics(tmp_path)] == [0.0] * 4 + [1.0] * 2
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000004"]


def test_a_step_that_is_not_finite_is_skipped(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_metrics: ReadMetrics, logged: Callable[[], str]
) -> None:
    """The weights after step 6 are those after step 5, moments and counts of the optimizer included."""
    seen: list[Weights] = []
    _spoil(bench, monkeypatch, math.nan, range(6, 7))
    spoilt = type(bench.source).micro_batches

    def look(source: Any, step: int) -> Any:  # noqa: ANN401
        seen.append({name: weight.clone() for name, weight in bench.model.state_dict().items()})
        return spoilt(source, step)

    monkeypatch.setattr(type(bench.source), "micro_batches", look)
    bench.run(tmp_path)
    lines = read_metrics(tmp_path)

    assert same(seen[5], seen[6])
    assert not same(seen[6], seen[7])
    assert list(lines[5]) == ["step", "skipped", "learning_rate", "num_tokens"]
    assert all("loss" in line and "skipped" not in line for line in lines[:5] + lines[6:])
    assert "loss is nan at step 6 of 12" in logged()
    assert "the step is skipped (1 in a row)" in logged()


@pytest.mark.parametrize("kill_at", [4, 5, 6, 7])
def test_skipped_steps_are_counted_over_restarts(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_recorder: Make, kill_at: int
) -> None:
    _spoil(bench, monkeypatch, math.nan, range(4, 8))
    with pytest.raises(Killed):
        bench.run(tmp_path, observer=make_recorder({kill_at: raise_killed}), num_bad_steps_until_stop=5)
    bench.run(tmp_path / "other", num_bad_steps_until_stop=5)
    bench.run(tmp_path, num_bad_steps_until_stop=5)
    metrics = [(folder / "metrics.jsonl").read_bytes() for folder in (tmp_path, tmp_path / "other")]
    assert metrics[0] == metrics[1]

    facts = json.loads((tmp_path / "checkpoints" / "step-00000012" / "manifest.json").read_text())
    assert facts["training"] == {"num_skipped": 4, "num_skipped_in_row": 0}


def test_a_gradient_that_is_not_finite_names_its_layer(bench: Bench, tmp_path: Path, make_recorder: Make) -> None:
    def spoil() -> None:
        # The square root of nothing has a finite value and no finite gradient.
        real = bench.objective.loss_sums
        bench.objective.loss_sums = lambda model, batch: {
            **real(model, batch),
            "value": (model[1].weight * 0.0).sum().sqrt(),
        }

    with pytest.raises(ModelError, match=r"gradient_norm is nan at step 6 of 12, first in the gradient of 1\.weight"):
        bench.run(tmp_path, observer=make_recorder({5: spoil}), num_bad_steps_until_stop=1)


def test_an_output_that_is_not_finite_names_its_layer(bench: Bench, tmp_path: Path, make_recorder: Make) -> None:
    def spoil() -> None:
        with torch.no_grad():
            bench.model[1].bias[0] = math.inf  # type: ignore[index]

    with pytest.raises(ModelError, match=r"at step 6 of 12, first in the output of 1\n"):
        bench.run(tmp_path, observer=make_recorder({5: spoil}), num_bad_steps_until_stop=1)


def test_a_full_disk_ends_the_run_and_the_next_goes_on(bench: Bench, tmp_path: Path, make_recorder: Make) -> None:
    expected = bench.run(tmp_path / "whole")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    filling = make_recorder()
    filling.checkpoint_saved = lambda _: resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            bench.run(tmp_path / "run", observer=filling)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    recorder = make_recorder()

    assert same(bench.run(tmp_path / "run", observer=recorder), expected)
    assert recorder.steps[0].step == 5  # the checkpoint after step 4 was the last to be complete
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()

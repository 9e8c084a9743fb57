"""Runs that were killed, or go on from a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from loop_bench import (
    NUM_STEPS,
    Bench,
    Killed,
    Make,
    keep_best,
    raise_killed,
    same,
)
from torch import nn

from domainlm.errors import ModelError, StorageError
from domainlm.parallel.device import Device
from domainlm.recipe.optimizer_settings import OptimizerSettings
from domainlm.train.checkpoints.runs import remove_checkpoints
from domainlm.train.loop import train
from domainlm.train.loop_settings import LoopSettings
from domainlm.train.observer import NullObserver


@pytest.mark.parametrize("at_step", range(1, NUM_STEPS + 1))
def test_a_run_killed_after_any_step_ends_with_the_same_bytes(
    bench: Bench, tmp_path: Path, make_recorder: Make, at_step: int
) -> None:
    expected = bench.run(tmp_path / "whole")
    recorder = make_recorder({at_step: raise_killed})
    with pytest.raises(Killed):
        bench.run(tmp_path / "killed", observer=recorder)
    again = make_recorder()
    weights = bench.run(tmp_path / "killed", observer=again)

    last_saved = (at_step - 1) // 4 * 4
    assert [info.step for info in again.steps] == list(range(last_saved + 1, NUM_STEPS + 1))
    assert same(expected, weights)
    assert (tmp_path / "killed" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


def test_a_run_that_is_done_is_only_restored(bench: Bench, tmp_path: Path, make_recorder: Make) -> None:
    expected = bench.run(tmp_path)
    metrics = (tmp_path / "metrics.jsonl").read_bytes()
    recorder = make_recorder()

    assert same(bench.run(tmp_path, observer=recorder), expected)
    assert (recorder.steps, recorder.checkpoints) == ([], [])
    assert (tmp_path / "metrics.jsonl").read_bytes() == metrics


def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(
    bench: Bench, tmp_path: Path, make_recorder: Make, logged: Callable[[], str]
) -> None:
    expected = bench.run(tmp_path / "whole")
    with pytest.raises(Killed):
        bench.run(tmp_path / "run", observer=make_recorder({10: raise_killed}), num_checkpoints_kept=2)
    os.truncate(tmp_path / "run" / "checkpoints" / "step-00000008" / "weights-00000.safetensors", 100)
    recorder = make_recorder()
    weights = bench.run(tmp_path / "run", observer=recorder, num_checkpoints_kept=2)

    assert "step-00000008 is passed over: weights-00000.safetensors has 100 bytes" in logged()
    assert recorder.steps[0].step == 5
    assert same(expected, weights)
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir()) == [
        "step-00000008",
        "step-00000012",
    ]


def test_checkpoints_to_keep_need_not_fall_on_those_to_go_on_from(bench: Bench, tmp_path: Path) -> None:
    bench.run(tmp_path, num_steps_per_checkpoint=4, num_steps_per_kept_checkpoint=5, num_checkpoints_kept=1)
    remove_checkpoints(tmp_path, 5)
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-00000005", "step-00000010"]


def test_other_settings_do_not_go_on_from_a_checkpoint(bench: Bench, tmp_path: Path) -> None:
    bench.run(tmp_path)
    bench.run(tmp_path, num_steps_per_checkpoint=7)  # decides no byte of the model
    with pytest.raises(ModelError, match="belongs to another run"):
        bench.run(tmp_path, seed=6)
    with pytest.raises(ModelError, match="belongs to another run"):
        bench.run(tmp_path, milestones=keep_best(tmp_path))
    remove_checkpoints(tmp_path)
    bench.run(tmp_path, seed=6)


def test_another_model_does_not_go_on_from_a_checkpoint(
    bench: Bench, tmp_path: Path, make_settings: Make, cpu: Device
) -> None:
    bench.run(tmp_path)
    other = nn.Sequential(nn.Linear(4, 2))
    with pytest.raises(ModelError, match=r"(?s)weights of another model.*missing: none; unexpected: 1.bias, .*remedy"):
        train(other, bench.objective, bench.source, make_settings(), device=cpu, work=tmp_path, observer=NullObserver())


def test_lost_metrics_are_told(bench: Bench, tmp_path: Path) -> None:
    bench.run(tmp_path)
    (tmp_path / "metrics.jsonl").unlink()
    with pytest.raises(StorageError, match="metrics are shorter"):
        bench.run(tmp_path)


def test_settings_name_their_run(make_settings: Callable[..., LoopSettings]) -> None:
    identity = make_settings().identity()

    assert (
        make_settings(num_steps_per_checkpoint=1, num_checkpoints_kept=9, checkpoints_in_background=False).identity()
        == identity
    )
    for changes in (
        {"num_bad_steps_until_stop": 9},
        {"num_steps": 1},
        {"seed": 1},
        {"phase": "pretrain"},
        {"optimizer": OptimizerSettings()},
    ):
        assert make_settings(**changes).identity() != identity

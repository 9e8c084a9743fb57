"""`domainlm checkpoint`: what it shows, finds and writes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from domainlm.errors import ModelError
from domainlm.parallel.shards import Shard
from domainlm.train.checkpoints.runs import Checkpoints, Contents

Fixture = Callable[..., Any]
_NAME = "encoder.layers.0.feed_forward.inner.weight"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A run with two checkpoints."""
    checkpoints = Checkpoints(tmp_path, "run", 2)
    for step in (5, 10):
        weight = torch.full((8, 3), float(step))
        state = [Shard.whole(f"{_NAME}|exp_avg", weight), Shard.whole(f"{_NAME}|step", torch.tensor(5.0))]
        checkpoints.begin(
            step,
            Contents(weights=[Shard.whole(_NAME, weight)], optimizer=state, training={"num_skipped": 2}),
        )
        checkpoints.seal()
    return tmp_path


def test_inspect_shows_the_newest(call: Fixture, work: Path) -> None:
    shown = call("checkpoint", "inspect", str(work), "--tensors").output

    assert "step-00000010" in shown
    for line in (
        ["grid", "data 1 x pipeline 1 x tensor 1"],
        ["parameters", "24 in 1 tensors"],
        ["optimizer", "25 in 2 tensors"],
        ["num_skipped", "2"],
        [_NAME, "float32", "8 x 3", "weights-00000.safetensors", "0 x 0", "8 x 3"],
        [f"{_NAME}|step", "float32", "scalar", "optimizer-00000.safetensors", "scalar", "scalar"],
    ):
        assert any(all(part in each for part in line) for each in shown.splitlines()), line


def test_inspect_gives_json(call: Fixture, work: Path) -> None:
    content = json.loads(call("checkpoint", "inspect", str(work / "checkpoints" / "step-00000005"), "--json").output)

    assert content["step"] == 5
    assert content["weights"][_NAME]["shape"] == [8, 3]


def test_verify_finds_all_whole(call: Fixture, work: Path) -> None:
    ended = call("checkpoint", "verify", str(work))

    assert ended.exit_code == 0
    assert [line.rpartition("/")[2] for line in ended.output.splitlines()] == [
        "step-00000005: whole",
        "step-00000010: whole",
    ]


def test_verify_names_the_damage(call: Fixture, work: Path) -> None:
    os.truncate(work / "checkpoints" / "step-00000005" / "weights-00000.safetensors", 50)
    ended = call("checkpoint", "verify", str(work))

    assert "step-00000005: weights-00000.safetensors has 50 bytes, not the " in ended.output
    assert "step-00000010: whole" in ended.output
    assert isinstance(ended.exception, ModelError)
    assert "1 of 2 checkpoint(s) damaged" in str(ended.exception)


def test_reshard_divides(call: Fixture, work: Path, tmp_path: Path) -> None:
    ended = call("checkpoint", "reshard", str(work), str(tmp_path / "two"), "--tensor", "2")

    assert ended.exit_code == 0, ended.output
    assert f"{tmp_path / 'two'}: step 10, 4 files" in ended.output
    shown = call("checkpoint", "inspect", str(tmp_path / "two"), "--tensors").output
    assert "data 1 x pipeline 1 x tensor 2" in shown
    assert any(_NAME in line and "weights-00001" in line and "4 x 0" in line for line in shown.splitlines())
    assert call("checkpoint", "verify", str(tmp_path / "two")).exit_code == 0


def test_a_damaged_one_is_not_divided(call: Fixture, work: Path, tmp_path: Path) -> None:
    (work / "checkpoints" / "step-00000010" / "optimizer-00000.safetensors").unlink()
    ended = call("checkpoint", "reshard", str(work), str(tmp_path / "two"))

    assert isinstance(ended.exception, ModelError)
    assert "optimizer-00000.safetensors is missing" in str(ended.exception)
    assert not (tmp_path / "two").exists()


def test_a_folder_without_checkpoints_is_refused(call: Fixture, tmp_path: Path) -> None:
    for command in ("inspect", "verify"):
        assert "there is no checkpoint here" in str(call("checkpoint", command, str(tmp_path)).exception)

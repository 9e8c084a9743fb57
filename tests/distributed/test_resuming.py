"""Checkpoints of real grids: any grid goes on from any other's, and the same one to the last bit."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from domainlm.parallel.grid import Grid
from domainlm.testing import run_on_ranks
from domainlm.train.checkpoints.looking import open_checkpoint, problems_of
from domainlm.train.checkpoints.reading import Checkpoint

LOOP = f"{Path(__file__).with_name('training.py')}:loop"
FAIL = LOOP.replace(":loop", ":fail_on_one")
SPOILT = LOOP.replace(":loop", ":spoilt")
Degrees = tuple[int, int, int]
Train = Callable[..., Checkpoint]


def train(work: Path, degrees: Degrees, **spec: Any) -> Checkpoint:  # noqa: ANN401 - of several types
    """Run the loop on a grid; returns its last checkpoint."""
    data, pipeline, tensor = degrees
    grid = Grid(data_degree=data, pipeline_degree=pipeline, tensor_degree=tensor)
    stopped = run_on_ranks(LOOP, grid, str(work), spec)
    assert stopped == [spec.get("stop_after", 0) > 0] * grid.world_size
    return open_checkpoint(work)


def tensors(found: Checkpoint) -> dict[str, torch.Tensor]:
    kinds: tuple[Any, ...] = ("weights", "optimizer")
    read = {}
    for kind in kinds:
        with found.tensors(kind) as reader:
            read |= {name: reader.read(name).clone() for name in found.manifest.tensors(kind)}
    return read


def losses(work: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (work / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 steps in one process."""
    work = tmp_path_factory.mktemp("reference")
    train(work, (1, 1, 1), plain=True)
    return work


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10 steps on (1, 2, 2), stopped by a signal to its last rank."""
    work = tmp_path_factory.mktemp("half")
    found = train(work, (1, 2, 2), stop_after=10)
    assert found.step == 10
    return work


def test_every_rank_writes_its_part(half: Path) -> None:
    found = open_checkpoint(half)
    grid = found.manifest.grid

    assert problems_of(found.folder) == []
    assert (grid.data, grid.pipeline, grid.tensor) == (1, 2, 2)
    assert sorted(found.manifest.files) == [
        f"{kind}-{rank:05}.safetensors" for kind in ("optimizer", "weights") for rank in range(4)
    ]
    sizes = [facts.bytes for name, facts in found.manifest.files.items() if name.startswith("weights")]
    assert max(sizes) < 0.5 * sum(sizes)


@pytest.mark.slow
@pytest.mark.grids
@pytest.mark.parametrize("degrees", [(2, 1, 2), (1, 1, 1), (1, 4, 1)], ids=lambda grid: "x".join(map(str, grid)))
def test_another_grid_goes_on(half: Path, reference: Path, tmp_path: Path, degrees: Degrees) -> None:
    work = tmp_path / "work"
    shutil.copytree(half, work)
    found = train(work, degrees, plain=degrees == (1, 1, 1))

    assert losses(work) == pytest.approx(losses(reference), rel=1e-5)
    expected = tensors(open_checkpoint(reference))
    there = tensors(found)
    assert there.keys() == expected.keys()
    for name, tensor in there.items():
        torch.testing.assert_close(tensor, expected[name], rtol=0.0, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize(
    ("degrees", "spec"),
    [
        ((1, 2, 2), {}),
        ((1, 2, 1), {"divides_vocabulary": True}),
        pytest.param((2, 1, 1), {"options": {"divides_optimizer": True}}, marks=pytest.mark.grids),
        pytest.param((2, 1, 1), {"precision": "bf16_weights"}, marks=pytest.mark.grids),
    ],
    ids=["1x2x2", "divided vocabulary", "divided optimizer", "bf16 weights"],
)
def test_the_same_grid_goes_on_to_the_same_bits(tmp_path: Path, degrees: Degrees, spec: dict[str, Any]) -> None:
    whole = train(tmp_path / "whole", degrees, **spec)
    train(tmp_path / "work", degrees, stop_after=10, **spec)
    found = train(tmp_path / "work", degrees, **spec)

    names = sorted(path.name for path in whole.folder.iterdir())
    assert names == sorted(path.name for path in found.folder.iterdir())
    for name in names:
        assert (whole.folder / name).read_bytes() == (found.folder / name).read_bytes(), name
    lines = [(tmp_path / work / "metrics.jsonl").read_bytes() for work in ("whole", "work")]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("degrees", [(1, 1, 1), (1, 2, 2)], ids=lambda grid: "x".join(map(str, grid)))
def test_another_grid_goes_on_from_a_divided_vocabulary(reference: Path, tmp_path: Path, degrees: Degrees) -> None:
    half = train(tmp_path, (1, 2, 1), stop_after=10, divides_vocabulary=True)
    assert problems_of(half.folder) == []
    sizes = [facts.bytes for name, facts in half.manifest.files.items() if name.startswith("weights")]
    assert max(sizes) < 0.6 * sum(sizes)
    found = train(tmp_path, degrees, plain=degrees == (1, 1, 1))

    assert losses(tmp_path) == pytest.approx(losses(reference), rel=1e-5)
    expected = tensors(open_checkpoint(reference))
    for name, tensor in tensors(found).items():
        torch.testing.assert_close(tensor, expected[name], rtol=0.0, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.slow
@pytest.mark.grids
def test_a_divided_optimizer_is_read_by_one_rank(reference: Path, tmp_path: Path) -> None:
    half = train(tmp_path, (2, 2, 1), stop_after=10, options={"divides_optimizer": True})
    writers = {name for name in half.manifest.files if name.startswith("optimizer")}
    found = train(tmp_path, (1, 1, 1), plain=True)

    assert len(writers) == 4  # data ranks have written each their own, and none all of it
    expected = tensors(open_checkpoint(reference))
    for name, tensor in tensors(found).items():
        torch.testing.assert_close(tensor, expected[name], rtol=0.0, atol=1e-5)


def test_a_damaged_part_sends_all_ranks_to_the_one_before(tmp_path: Path) -> None:
    found = train(tmp_path, (1, 2, 1), stop_after=10)
    earlier = tmp_path / "checkpoints" / "step-00000007"
    shutil.copytree(found.folder, tmp_path / "kept")
    shutil.rmtree(tmp_path / "checkpoints")
    (tmp_path / "metrics.jsonl").unlink()
    train(tmp_path, (1, 2, 1), stop_after=7)
    shutil.copytree(tmp_path / "kept", found.folder)
    os.truncate(found.folder / "weights-00001.safetensors", 100)
    assert earlier.is_dir()
    last = train(tmp_path, (1, 2, 1))

    assert last.step == 20
    assert len(losses(tmp_path)) == 20


def test_a_rank_that_cannot_write_fails_all_and_harms_nothing(tmp_path: Path) -> None:
    said = run_on_ranks(FAIL, 3, str(tmp_path))

    assert [each[0] for each in said] == [
        "StorageError: checkpoint: rank 2 of 3 failed: [Errno 28] No space left on device",
        "StorageError: checkpoint: rank 2 of 3 failed: [Errno 28] No space left on device",
        "OSError: [Errno 28] No space left on device",
    ]
    assert all(each[1:] == ["step-00000001", "1"] for each in said)


@pytest.mark.parametrize("degrees", [(2, 1, 1), (1, 2, 2)], ids=lambda grid: "x".join(map(str, grid)))
def test_all_ranks_skip_alike_and_name_the_first_layer(tmp_path: Path, degrees: Degrees) -> None:
    data, pipeline, tensor = degrees
    grid = Grid(data_degree=data, pipeline_degree=pipeline, tensor_degree=tensor)
    said = run_on_ranks(SPOILT, grid, str(tmp_path), {})

    rank = (pipeline - 1) * tensor
    assert len(set(said)) == 1
    assert "loss is nan at step 6 of 20" in said[0]
    assert f"first in the output of encoder.layers.3.feed_forward.output on rank {rank}" in said[0]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert ["skipped" in line for line in lines] == [False] * 3 + [True] * 2


def test_fp16_stops_once_no_smaller_scale_is_left(tmp_path: Path) -> None:
    """The gradient is never finite again: the scale falls to 1, and from there on steps count as bad in a row."""
    said = run_on_ranks(SPOILT, Grid(pipeline_degree=2), str(tmp_path), {"precision": "fp16", "loss_scale": 4.0})
    assert len(set(said)) == 1
    assert "loss is nan at step 8 of 20" in said[0]
    assert "3 such step(s) in a row, 5 skipped in all" in said[0]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert ["overflow" in line for line in lines] == [False] * 3 + [True] * 2 + [False] * 2
    assert ["skipped" in line for line in lines] == [False] * 5 + [True] * 2

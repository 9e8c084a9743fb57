"""A task fine-tuned on a grid: the same losses, the same epoch chosen, the same model and scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from domainlm.parallel.grid import Grid
from domainlm.testing import run_on_ranks

TUNING = Path(__file__).with_name("tuning.py")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    run_on_ranks(f"{TUNING}:make_inputs", 1, str(folder))
    return folder


@pytest.fixture(scope="module")
def reference(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by a process that is no rank of anything."""
    out = tmp_path_factory.mktemp("alone")
    run_on_ranks(f"{TUNING}:tune_alone", 1, str(inputs), str(out), {})
    return out


def losses(work: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (work / "metrics.jsonl").read_text().splitlines()]


def test_the_reference_learns(reference: Path) -> None:
    scores = json.loads((reference / "scores.json").read_text())["scores"]
    assert all(score["value"] > 0.8 for score in scores if score["metric"] == "f1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("degrees", "parallel"),
    [
        ((1, 2, 2), {}),
        ((2, 1, 1), {"shard_optimizer": True}),
        ((1, 2, 1), {"engine": "async_pipe", "activation_checkpointing": "every_layer"}),
    ],
    ids=["1x2x2", "2x1x1-divided", "1x2x1-async"],
)
def test_every_grid_gives_the_same_model_and_scores(
    degrees: tuple[int, int, int], parallel: Mapping[str, Any], inputs: Path, reference: Path, tmp_path: Path
) -> None:
    data, pipeline, tensor = degrees
    grid = Grid(data_degree=data, pipeline_degree=pipeline, tensor_degree=tensor)
    results = run_on_ranks(f"{TUNING}:tune", grid, str(inputs), str(tmp_path), dict(parallel))
    expected = json.loads((reference / "scores.json").read_text())
    found = json.loads((tmp_path / "scores.json").read_text())
    assert all(result == results[0] for result in results)
    assert losses(tmp_path) == pytest.approx(losses(reference), rel=1e-4)
    assert found["choice"] == expected["choice"]
    assert found["scores"] == expected["scores"]
    weights, others = (load_file(work / "model" / "model.safetensors") for work in (tmp_path, reference))
    for name, weight in weights.items():
        torch.testing.assert_close(weight, others[name], rtol=0.0, atol=1e-4, msg=lambda text, n=name: n + text)
    predictions = [json.loads(line) for line in (tmp_path / "predictions.test.jsonl").read_text().splitlines()]
    assert len(predictions) == 12
    assert not list(tmp_path.glob("best*"))
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("degrees", [(1, 2, 1), (1, 1, 2)], ids=lambda degrees: "x".join(map(str, degrees)))
def test_questions_are_answered_on_a_grid(degrees: tuple[int, int, int], inputs: Path, tmp_path: Path) -> None:
    data, pipeline, tensor = degrees
    grid = Grid(data_degree=data, pipeline_degree=pipeline, tensor_degree=tensor)
    expected = run_on_ranks(f"{TUNING}:answer_alone", 1, str(inputs), str(tmp_path / "alone"), {})
    results = run_on_ranks(f"{TUNING}:answer", grid, str(inputs), str(tmp_path / "grid"), {})
    assert results == expected * 2
    assert losses(tmp_path / "grid" / "work") == pytest.approx(losses(tmp_path / "alone" / "work"), rel=1e-4)


def test_a_process_by_itself_may_recompute(inputs: Path, reference: Path, tmp_path: Path) -> None:
    run_on_ranks(f"{TUNING}:tune_alone", 1, str(inputs), str(tmp_path), {"activation_checkpointing": 2})
    assert losses(tmp_path) == pytest.approx(losses(reference), rel=1e-5)
    expected, found = (json.loads((work / "scores.json").read_text()) for work in (reference, tmp_path))
    assert found == expected


@pytest.mark.parametrize("degrees", [(1, 2, 1), (2, 1, 1)], ids=lambda degrees: "x".join(map(str, degrees)))
def test_a_signal_is_heeded_while_dev_is_scored(
    degrees: tuple[int, int, int], inputs: Path, reference: Path, tmp_path: Path
) -> None:
    data, pipeline, tensor = degrees
    grid = Grid(data_degree=data, pipeline_degree=pipeline, tensor_degree=tensor)
    assert run_on_ranks(f"{TUNING}:tune_stopped", grid, str(inputs), str(tmp_path), {}) == [[True, True]] * 2
    assert not (tmp_path / "scores.json").exists()
    assert len(losses(tmp_path)) == len(losses(reference)) * 2 // 3 - 1  # the last step's line waits for its scores
    run_on_ranks(f"{TUNING}:tune", grid, str(inputs), str(tmp_path), {})
    expected, found = (json.loads((work / "scores.json").read_text()) for work in (reference, tmp_path))
    assert found["scores"] == expected["scores"]

"""Dropout on a grid: equal outside of sharded regions, different inside, and the same when recomputed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domainlm.parallel.grid import Grid
from domainlm.testing import run_on_ranks

TRAINING = Path(__file__).with_name("training.py")


def draws(pipeline: int, tensor: int, data: int = 1, **spec: Any) -> list[dict[str, list[list[int]]]]:  # noqa: ANN401
    grid = Grid(data_degree=data, pipeline_degree=pipeline, tensor_degree=tensor)
    return run_on_ranks(f"{TRAINING}:record_draws", grid, {"dropout": 0.2, **spec})


@pytest.fixture(scope="module")
def whole() -> dict[str, list[list[int]]]:
    """What a grid of one rank draws, by place in the model and micro-batch."""
    return draws(1, 1)[0]


def test_tensor_ranks_draw_alike_outside_and_apart_inside(whole: dict[str, list[list[int]]]) -> None:
    first, second = draws(1, 2)
    outside = [place for place in whole if "attention" not in place]
    assert len(outside) == 1 + 2 * 4  # the embeddings, and two places in each layer
    for place in outside:
        assert first[place] == second[place] == whole[place], place
    inside = [place for place in whole if "attention" in place]
    assert len(inside) == 4
    for place in inside:
        assert first[place] != second[place], place
    by_call = [tuple(call) for place in whole.values() for call in place]
    assert len(set(by_call)) == len(by_call), "two places drew the same"


def test_stages_draw_what_one_rank_would(whole: dict[str, list[list[int]]]) -> None:
    found: dict[str, list[list[int]]] = {}
    for rank in draws(2, 1):
        found |= {place: calls for place, calls in rank.items() if calls}
    assert found == whole


def test_data_ranks_draw_apart() -> None:
    first, second = draws(1, 1, data=2)
    assert all(first[place] != second[place] for place in first)


def test_recomputed_activations_draw_again(whole: dict[str, list[list[int]]]) -> None:
    (again,) = draws(1, 1, options={"num_layers_per_recomputed": 1})
    layers = [place for place in whole if "layers" in place]
    for place in layers:
        assert sorted(again[place]) == sorted(2 * whole[place]), place  # forward, and once more before going back


@pytest.mark.slow
def test_losses_with_dropout_agree_statistically(tmp_path: Path) -> None:
    """Means over 20 steps; those of eight seeds on one rank have a standard deviation of 0.016."""
    spec = {"dropout": 0.2, "micro_batch_size": 8}
    means = []
    for tensor in (1, 2):
        lines = run_on_ranks(f"{TRAINING}:train", Grid(tensor_degree=tensor), str(tmp_path / "weights"), spec)[0]
        means.append(sum(line["masked_lm"] for line in lines) / len(lines))
    assert means[1] == pytest.approx(means[0], abs=0.05)

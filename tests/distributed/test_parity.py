"""The same model from every grid: losses and final weights of 20 steps against those of one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from domainlm.parallel.grid import Grid
from domainlm.testing import run_on_ranks

TRAIN = f"{Path(__file__).with_name('training.py')}:train"
Outcome = tuple[list[dict[str, float]], dict[str, torch.Tensor]]
Train = Callable[..., Outcome]
GRIDS = [
    (data, pipeline, tensor)
    for data in (1, 2)
    for pipeline in (1, 2, 4)
    for tensor in (1, 2, 4)
    if data * pipeline * tensor <= 8
]
_PLAIN = {(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (1, 2, 2)}
"""Those of the default suite."""


def of_grids(grids: Sequence[tuple[int, int, int]]) -> pytest.MarkDecorator:
    """Gives the grids to a test; those that are not plain run in `tox -e grids`."""
    marks = [() if grid in _PLAIN else pytest.mark.grids for grid in grids]
    named = [
        pytest.param(grid, id="x".join(map(str, grid)), marks=mark) for grid, mark in zip(grids, marks, strict=True)
    ]
    return pytest.mark.parametrize("grid", named)


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains on a grid; returns the numbers of each step and the final weights."""

    def run(grid: tuple[int, int, int], **spec: Any) -> Outcome:  # noqa: ANN401 - of several types
        out = tmp_path_factory.mktemp("train") / "weights.safetensors"
        data, pipeline, tensor = grid
        degrees = Grid(data_degree=data, pipeline_degree=pipeline, tensor_degree=tensor)
        results = run_on_ranks(TRAIN, degrees, str(out), spec)
        assert all(result == results[0] for result in results), "ranks tell different numbers"
        return results[0], load_file(out)

    return run


@pytest.fixture(scope="module")
def reference(train: Train) -> Outcome:
    """One process on the ordinary path."""
    return train((1, 1, 1), plain=True)


def assert_equal(outcome: Outcome, reference: Outcome) -> None:
    for line, expected in zip(outcome[0], reference[0], strict=True):
        assert line == pytest.approx(expected, rel=1e-5)
    assert outcome[1].keys() == reference[1].keys()
    for name, weight in outcome[1].items():
        torch.testing.assert_close(weight, reference[1][name], rtol=0.0, atol=1e-5, msg=lambda text, n=name: n + text)


def test_the_reference_learns(reference: Outcome) -> None:
    first, last = (sum(line["masked_lm"] for line in lines) / 4 for lines in (reference[0][:4], reference[0][-4:]))
    assert last < first - 0.05


def micro_batch_size(grid: tuple[int, int, int]) -> int:
    """As few micro-batches as keep every stage busy: each costs an exchange for every layer."""
    return 16 // grid[0] // max(2, grid[1])


@pytest.mark.slow
@of_grids(GRIDS)
def test_every_grid_trains_the_same_model(grid: tuple[int, int, int], train: Train, reference: Outcome) -> None:
    assert_equal(train(grid, micro_batch_size=micro_batch_size(grid)), reference)


@pytest.mark.slow
@of_grids([grid for grid in GRIDS if grid[1] > 1])
def test_async_pipe_trains_the_same_model(grid: tuple[int, int, int], train: Train, reference: Outcome) -> None:
    options = {"engine": "async_pipe"}
    assert_equal(train(grid, micro_batch_size=micro_batch_size(grid), options=options), reference)


@pytest.mark.slow
@pytest.mark.grids
@pytest.mark.parametrize("num_sequences", [4, 6])  # 4 micro-batches, and 3, which do not divide into rounds
def test_interleaved_stages_train_the_same_model(num_sequences: int, train: Train, reference: Outcome) -> None:
    spec = {"num_stages_per_rank": 2, "micro_batch_size": num_sequences, "options": {"schedule": "interleaved"}}
    assert_equal(train((1, 2, 1), **spec), reference)


def test_a_stage_may_have_the_head_alone(train: Train, reference: Outcome) -> None:
    assert_equal(train((1, 2, 1), layers=[4, 0], micro_batch_size=8, options={"schedule": "gpipe"}), reference)


_DIVIDED = [(1, 2, 1), (1, 4, 1), (1, 2, 2), (2, 2, 1), (2, 2, 2)]


@pytest.mark.slow
@of_grids(_DIVIDED)
def test_a_divided_vocabulary_changes_nothing(grid: tuple[int, int, int], train: Train, reference: Outcome) -> None:
    spec = {"divides_vocabulary": True, "micro_batch_size": micro_batch_size(grid)}
    assert_equal(train(grid, **spec), reference)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"packed": True}, id="packed"),
        pytest.param({"micro_batch_size": 16}, id="one micro-batch"),
        pytest.param({"micro_batch_size": 5}, id="unequal micro-batches"),
        pytest.param({"without_order": True}, id="words alone"),
        pytest.param({"embedding_steps": 3}, id="embeddings first"),
        pytest.param({"resting": {"num_frozen_layers": 2, "freezes_embeddings": True}}, id="half at rest"),
        pytest.param({"layers": [4, 0]}, id="a stage without layers"),
    ],
)
def test_a_divided_vocabulary_changes_nothing_of(spec: dict[str, Any], train: Train) -> None:
    spec = {"num_steps": 5, "micro_batch_size": 4, **spec}
    plain = {key: value for key, value in spec.items() if key != "layers"}
    assert_equal(train((1, 2, 1), divides_vocabulary=True, **spec), train((1, 1, 1), plain=True, **plain))


def test_a_divided_vocabulary_goes_with_a_divided_optimizer(train: Train, reference: Outcome) -> None:
    spec = {"divides_vocabulary": True, "micro_batch_size": 4, "options": {"divides_optimizer": True}}
    assert_equal(train((2, 2, 1), **spec), reference)


@pytest.mark.parametrize("every", [1, 3])
def test_recomputed_activations_change_nothing(every: int, train: Train, reference: Outcome) -> None:
    spec = {"micro_batch_size": 8, "options": {"num_layers_per_recomputed": every}}
    assert_equal(train((1, 2, 1), **spec), reference)


@pytest.mark.parametrize("grid", [(2, 1, 1), (2, 2, 1)], ids=lambda grid: "x".join(map(str, grid)))
def test_a_divided_optimizer_changes_nothing(grid: tuple[int, int, int], train: Train, reference: Outcome) -> None:
    assert_equal(train(grid, micro_batch_size=4, options={"divides_optimizer": True}), reference)


@pytest.mark.parametrize("grid", [(2, 1, 1), (1, 2, 1)], ids=lambda grid: "x".join(map(str, grid)))
def test_what_no_loss_uses_stays_as_it_is(grid: tuple[int, int, int], train: Train) -> None:
    """Not even weight decay touches it, as in one process."""
    spec = {"without_order": True, "micro_batch_size": 4, "num_steps": 5}
    assert_equal(train(grid, **spec), train((1, 1, 1), plain=True, **spec))


@pytest.mark.parametrize("grid", [(2, 1, 1), (1, 2, 1), (1, 1, 2)], ids=lambda grid: "x".join(map(str, grid)))
def test_packed_rows_train_the_same_model(grid: tuple[int, int, int], train: Train, reference: Outcome) -> None:
    spec = {"packed": True, "micro_batch_size": 4, "num_steps": 5}
    packed = train((1, 1, 1), plain=True, **spec)
    assert_equal(train(grid, **spec), packed)
    assert packed[0][0]["masked_lm"] != reference[0][0]["masked_lm"]


_DIVIDED = {"divides_optimizer": True}
_RESTING = {"num_frozen_layers": 2, "freezes_embeddings": True}
"""The whole of the first of two stages."""


@pytest.mark.parametrize(
    ("grid", "options"),
    [
        ((1, 2, 2), {}),
        ((2, 1, 1), _DIVIDED),
        ((1, 2, 1), {"num_layers_per_recomputed": 1}),
        pytest.param((2, 2, 1), _DIVIDED, marks=pytest.mark.grids),
        pytest.param((1, 2, 1), {"engine": "async_pipe"}, marks=pytest.mark.grids),
        pytest.param((1, 1, 1), {"num_layers_per_recomputed": 1}, marks=pytest.mark.grids),
    ],
)
def test_what_rests_rests_on_every_grid(grid: tuple[int, int, int], options: dict[str, Any], train: Train) -> None:
    spec = {"resting": _RESTING, "micro_batch_size": 4, "num_steps": 5}
    outcome, expected = train(grid, **spec, options=options), train((1, 1, 1), plain=True, **spec)
    assert_equal(outcome, expected)
    untouched = train((1, 1, 1), plain=True, **(spec | {"num_steps": 0}))[1]
    changed = {name for name, weight in outcome[1].items() if not torch.equal(weight, untouched[name])}
    resting = ("encoder.embeddings.", "encoder.layers.0.", "encoder.layers.1.")
    assert changed == {name for name in untouched if not name.startswith(resting)}


@pytest.mark.parametrize(
    ("grid", "options"),
    [((1, 2, 1), {}), ((2, 1, 1), {}), pytest.param((2, 1, 2), _DIVIDED, marks=pytest.mark.grids)],
)
def test_what_rests_at_first_learns_later(grid: tuple[int, int, int], options: dict[str, Any], train: Train) -> None:
    spec = {"embedding_steps": 3, "micro_batch_size": 4, "num_steps": 6}
    outcome, expected = train(grid, **spec, options=options), train((1, 1, 1), plain=True, **spec)
    assert_equal(outcome, expected)
    assert_other_weights(outcome, train((1, 1, 1), plain=True, **(spec | {"embedding_steps": 0})))


@pytest.mark.parametrize(
    ("grid", "options"),
    [((1, 2, 2), {}), ((2, 1, 1), _DIVIDED), pytest.param((2, 2, 1), _DIVIDED, marks=pytest.mark.grids)],
)
def test_lower_layers_learn_more_slowly(grid: tuple[int, int, int], options: dict[str, Any], train: Train) -> None:
    spec = {"layer_decay": 0.5, "micro_batch_size": 4, "num_steps": 5}
    outcome = train(grid, **spec, options=options)
    assert_equal(outcome, train((1, 1, 1), plain=True, **spec))
    assert_other_weights(outcome, train((1, 1, 1), plain=True, **(spec | {"layer_decay": 1.0})))


def assert_other_weights(outcome: Outcome, other: Outcome) -> None:
    name = "encoder.layers.0.feed_forward.inner.weight"
    assert not torch.allclose(outcome[1][name], other[1][name], rtol=0.0, atol=1e-4)

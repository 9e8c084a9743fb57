"""What a step computes, and what observers are told of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from loop_bench import (
    Bench,
    Make,
    ReadMetrics,
    same,
)

from domainlm.recipe.optimizer_settings import OptimizerSettings


def test_training_learns(bench: Bench, tmp_path: Path, read_metrics: ReadMetrics) -> None:
    bench.dropout = 0.0
    bench.run(tmp_path, num_steps=100, optimizer=OptimizerSettings(learning_rate=0.05))
    lines = read_metrics(tmp_path)

    assert sum(line["value"] for line in lines[-20:]) < 0.1 * sum(line["value"] for line in lines[:20])


def test_first_step_by_hand(bench: Bench, tmp_path: Path, make_model: Make, read_metrics: ReadMetrics) -> None:
    """One batch of all points, the mean of each part, torch's own AdamW."""
    bench.dropout = 0.0
    settings = OptimizerSettings(learning_rate=0.01, weight_decay=0.1, max_gradient_norm=0.5)
    trained = bench.run(tmp_path, num_steps=1, optimizer=settings)

    model = make_model(0.0)
    batches = bench.source.micro_batches(0)
    inputs, targets = (torch.cat([getattr(batch, key) for batch in batches]) for key in ("inputs", "targets"))
    signs = torch.cat([torch.arange(len(batch.targets)) % 2 == 0 for batch in batches])
    said = model(inputs)
    value = (said[:, 0] - targets).square().mean()
    sign = (said[signs, 1] - targets[signs].sign()).square().mean()
    torch.autograd.backward(value + sign)
    norm = torch.stack([weight.grad.norm() for weight in model.parameters() if weight.grad is not None]).norm()
    for weight in model.parameters():
        assert weight.grad is not None
        weight.grad *= 0.5 / norm
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    vectors = [weight for weight in model.parameters() if weight.dim() == 1]
    torch.optim.AdamW(matrices, lr=0.01, weight_decay=0.1).step()
    torch.optim.AdamW(vectors, lr=0.01, weight_decay=0.0).step()

    assert norm > 0.5
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(trained[name], weight, atol=1e-6, rtol=1e-5)
    (line,) = read_metrics(tmp_path)
    assert line == {
        "step": 1,
        "loss": pytest.approx((value + sign).item()),
        "value": pytest.approx(value.item()),
        "sign": pytest.approx(sign.item()),
        "learning_rate": 0.01,
        "gradient_norm": pytest.approx(norm.item()),
        "num_tokens": 70,
    }


@pytest.mark.parametrize("size", [1, 4, 10])
def test_micro_batches_change_nothing(
    bench: Bench, make_source: Make, tmp_path: Path, read_metrics: ReadMetrics, size: int
) -> None:
    """Sign has a count of its own, which the division moves: of 10 points 5 in one batch, but 6 in four."""
    bench.dropout = 0.0
    bench.objective.counts = lambda batch: {"value": len(batch.targets)}
    whole = bench.objective.loss_sums
    bench.objective.loss_sums = lambda model, batch: {"value": whole(model, batch)["value"]}
    bench.source = make_source(10)
    expected = bench.run(tmp_path / "a")
    bench.source = make_source(size)
    weights = bench.run(tmp_path / "b")

    for name, weight in expected.items():
        torch.testing.assert_close(weights[name], weight, atol=1e-6, rtol=1e-4)
    losses = [[line["loss"] for line in read_metrics(tmp_path / each)] for each in "ab"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_callers_random_state_neither_matters_nor_changes(bench: Bench, tmp_path: Path) -> None:
    first = bench.run(tmp_path / "a")
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    second = bench.run(tmp_path / "b")

    assert torch.equal(torch.random.get_rng_state(), before)
    assert same(first, second)
    assert not same(first, bench.run(tmp_path / "c", seed=6))


def test_the_observer_hears_of_steps_and_checkpoints(
    bench: Bench, tmp_path: Path, make_recorder: Make, read_metrics: ReadMetrics
) -> None:
    recorder = make_recorder()
    bench.run(tmp_path, observer=recorder, num_steps=10)

    assert [info.step for info in recorder.steps] == list(range(1, 11))
    assert {(info.phase, info.num_steps, info.num_tokens) for info in recorder.steps} == {("finetune", 10, 70)}
    assert all(info.seconds > 0.0 for info in recorder.steps)
    lines = read_metrics(tmp_path)
    assert [{"step": info.step, **info.metrics, "num_tokens": info.num_tokens} for info in recorder.steps] == lines
    assert [info.step for info in recorder.checkpoints] == [4, 8, 10]
    assert recorder.checkpoints[-1].folder.is_dir()


def test_no_steps_leave_everything_as_it_was(bench: Bench, tmp_path: Path, make_model: Make) -> None:
    weights = bench.run(tmp_path, num_steps=0)

    assert same(weights, make_model().state_dict())
    assert (tmp_path / "metrics.jsonl").read_bytes() == b""

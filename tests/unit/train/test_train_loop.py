"""The loop: what it computes, writes, tells, and goes on from."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from domainlm.errors import ModelError, StorageError
from domainlm.parallel.device import Device
from domainlm.recipe.optimizer_settings import OptimizerSettings
from domainlm.train.checkpoints.runs import remove_checkpoints
from domainlm.train.loop import train
from domainlm.train.loop_settings import LoopSettings
from domainlm.train.milestones import KeepBest, Milestone
from domainlm.train.observer import NullObserver

NUM_STEPS = 12
Weights = dict[str, torch.Tensor]
Interrupt = Callable[[], None]
Make = Callable[..., Any]
ReadMetrics = Callable[[Path], list[dict[str, Any]]]


class Bench:
    """Trains the small model into folders, any number of times."""

    def __init__(self, make_model: Make, make_settings: Make, source: Any, objective: Any, device: Device) -> None:  # noqa: ANN401 - duck types
        self._make_model, self._make_settings = make_model, make_settings
        self.source, self.objective, self._device = source, objective, device
        self.model: nn.Module = make_model()
        self.dropout = 0.2

    def run(
        self,
        work: Path,
        *,
        observer: Any = None,  # noqa: ANN401 - a recorder or nothing
        milestones: Callable[[nn.Module], list[Milestone]] = lambda _: [],
        **settings: Any,  # noqa: ANN401 - fields of several types
    ) -> Weights:
        self.model = self._make_model(self.dropout)
        train(
            self.model,
            self.objective,
            self.source,
            self._make_settings(**settings),
            device=self._device,
            work=work,
            observer=observer or NullObserver(),
            milestones=milestones(self.model),
        )
        return {name: weight.clone() for name, weight in self.model.state_dict().items()}


@pytest.fixture
def bench(make_model: Make, make_settings: Make, make_source: Make, make_objective: Make, cpu: Device) -> Bench:
    return Bench(make_model, make_settings, make_source(), make_objective(), cpu)


def _same(first: Weights, second: Weights) -> bool:
    return all(torch.equal(weight, second[name]) for name, weight in first.items())


def _interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


# --- what it computes ---


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
    assert _same(first, second)
    assert not _same(first, bench.run(tmp_path / "c", seed=6))


# --- what it tells ---


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

    assert _same(weights, make_model().state_dict())
    assert (tmp_path / "metrics.jsonl").read_bytes() == b""


# --- going on ---


class Killed(BaseException):
    """What a process that is killed would not notice."""


def _raise_killed() -> None:
    raise Killed


@pytest.mark.parametrize("at_step", range(1, NUM_STEPS + 1))
def test_a_run_killed_after_any_step_ends_with_the_same_bytes(
    bench: Bench, tmp_path: Path, make_recorder: Make, at_step: int
) -> None:
    expected = bench.run(tmp_path / "whole")
    recorder = make_recorder({at_step: _raise_killed})
    with pytest.raises(Killed):
        bench.run(tmp_path / "killed", observer=recorder)
    again = make_recorder()
    weights = bench.run(tmp_path / "killed", observer=again)

    last_saved = (at_step - 1) // 4 * 4
    assert [info.step for info in again.steps] == list(range(last_saved + 1, NUM_STEPS + 1))
    assert _same(expected, weights)
    assert (tmp_path / "killed" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


def test_a_run_that_is_done_is_only_restored(bench: Bench, tmp_path: Path, make_recorder: Make) -> None:
    expected = bench.run(tmp_path)
    metrics = (tmp_path / "metrics.jsonl").read_bytes()
    recorder = make_recorder()

    assert _same(bench.run(tmp_path, observer=recorder), expected)
    assert (recorder.steps, recorder.checkpoints) == ([], [])
    assert (tmp_path / "metrics.jsonl").read_bytes() == metrics


def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(
    bench: Bench, tmp_path: Path, make_recorder: Make, logged: Callable[[], str]
) -> None:
    expected = bench.run(tmp_path / "whole")
    with pytest.raises(Killed):
        bench.run(tmp_path / "run", observer=make_recorder({10: _raise_killed}), num_checkpoints_kept=2)
    os.truncate(tmp_path / "run" / "checkpoints" / "step-00000008" / "weights-00000.safetensors", 100)
    recorder = make_recorder()
    weights = bench.run(tmp_path / "run", observer=recorder, num_checkpoints_kept=2)

    assert "step-00000008 is passed over: weights-00000.safetensors has 100 bytes" in logged()
    assert recorder.steps[0].step == 5
    assert _same(expected, weights)
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
        bench.run(tmp_path, milestones=_keep_best(tmp_path))
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


# --- what goes wrong ---


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

    assert _same(seen[5], seen[6])
    assert not _same(seen[6], seen[7])
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
        bench.run(tmp_path, observer=make_recorder({kill_at: _raise_killed}), num_bad_steps_until_stop=5)
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

    assert _same(bench.run(tmp_path / "run", observer=recorder), expected)
    assert recorder.steps[0].step == 5  # the checkpoint after step 4 was the last to be complete
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


# --- interruptions ---


@pytest.mark.parametrize("at_step", [1, 6, 8, 12])
def test_ctrl_c_finishes_the_step_and_saves(bench: Bench, tmp_path: Path, make_recorder: Make, at_step: int) -> None:
    expected = bench.run(tmp_path / "whole")
    recorder = make_recorder({at_step: _interrupt})
    with pytest.raises(KeyboardInterrupt):
        bench.run(tmp_path / "run", observer=recorder)
    again = make_recorder()
    weights = bench.run(tmp_path / "run", observer=again)

    assert recorder.steps[-1].step == recorder.checkpoints[-1].step == at_step
    assert [info.step for info in again.steps] == list(range(at_step + 1, NUM_STEPS + 1))
    assert _same(expected, weights)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


def test_a_handler_that_returns_costs_one_checkpoint(bench: Bench, tmp_path: Path, make_recorder: Make) -> None:
    calls: list[int] = []
    recorder = make_recorder({1: _interrupt})
    before = signal.signal(signal.SIGINT, lambda number, _: calls.append(number))
    try:
        bench.run(tmp_path, observer=recorder, num_steps_per_checkpoint=NUM_STEPS)
    finally:
        signal.signal(signal.SIGINT, before)

    assert calls == [signal.SIGINT]
    assert [info.step for info in recorder.checkpoints] == [1, NUM_STEPS]


def test_ctrl_c_in_the_middle_of_a_step_waits_for_its_end(
    bench: Bench, tmp_path: Path, make_recorder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bench.source.micro_batches
    monkeypatch.setattr(
        type(bench.source), "micro_batches", lambda _, step: (_interrupt() if step == 2 else None, real(step))[1]
    )
    recorder = make_recorder()
    with pytest.raises(KeyboardInterrupt):
        bench.run(tmp_path, observer=recorder)

    assert [info.step for info in recorder.checkpoints] == [3]


def test_a_second_ctrl_c_acts_at_once(
    bench: Bench, tmp_path: Path, make_recorder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bench.source.micro_batches

    def twice(step: int) -> Any:  # noqa: ANN401
        if step == 2:
            _interrupt()
            _interrupt()
        return real(step)

    monkeypatch.setattr(type(bench.source), "micro_batches", lambda _, step: twice(step))
    recorder = make_recorder()
    with pytest.raises(KeyboardInterrupt):
        bench.run(tmp_path, observer=recorder)

    assert ([info.step for info in recorder.steps], recorder.checkpoints) == ([1, 2], [])


# --- milestones ---


class Judge:
    """Scores a model by its first bias, best in the middle of the run; may act at one of its calls."""

    def __init__(self, model: nn.Module, at_call: Mapping[int, Interrupt]) -> None:
        self._bias = model.state_dict()["0.bias"]
        self._at_call = at_call
        self._num_calls = 0

    def __call__(self) -> dict[str, float]:
        self._num_calls += 1
        self._at_call.get(self._num_calls, lambda: None)()
        return {"score": -abs(float(self._bias[0]) * 1e3 % 7 - 5), "other": 1.0}


def _keep_best(
    work: Path, at_call: Mapping[int, Interrupt] | None = None, patience: int | None = None
) -> Callable[[nn.Module], list[Milestone]]:
    def make(model: nn.Module) -> list[Milestone]:
        judge = Judge(model, at_call or {})
        path = work / "best.safetensors"
        kept = KeepBest(
            name="dev",
            model=model,
            evaluate=judge,
            metric="score",
            at_steps=range(2, NUM_STEPS + 1, 2),
            path=path,
            patience=patience,
        )
        made.append(kept)
        return [kept]

    made: list[KeepBest] = []
    make.made = made  # type: ignore[attr-defined]
    return make


def _outcome(bench: Bench, work: Path, keep_best: Any) -> tuple[Any, ...]:  # noqa: ANN401
    (kept,) = keep_best.made[-1:]
    kept.load_best()
    best = {name: weight.tolist() for name, weight in bench.model.state_dict().items()}
    return kept.best_step, kept.state()["best_metrics"], best, (work / "metrics.jsonl").read_bytes()


@pytest.fixture
def expected_best(bench: Bench, tmp_path: Path) -> tuple[Any, ...]:
    keep_best = _keep_best(tmp_path / "whole")
    bench.run(tmp_path / "whole", milestones=keep_best)
    return _outcome(bench, tmp_path / "whole", keep_best)


def test_the_best_weights_are_those_of_the_best_evaluation(
    bench: Bench, tmp_path: Path, expected_best: tuple[Any, ...], read_metrics: ReadMetrics
) -> None:
    evaluated = [line for line in read_metrics(tmp_path / "whole") if "score" in line]
    best = max(evaluated, key=lambda line: (line["score"], -line["step"]))

    assert [line["step"] for line in evaluated] == [2, 4, 6, 8, 10, 12]
    assert 2 < best["step"] < 12  # else the test would say little
    assert expected_best[:2] == (best["step"], {"score": best["score"], "other": 1.0})
    at_best = bench.run(tmp_path / "short", milestones=_keep_best(tmp_path / "short"))
    assert {name: weight.tolist() for name, weight in at_best.items()} != expected_best[2]


@pytest.mark.parametrize("at_step", range(1, NUM_STEPS + 1))
def test_best_so_far_survives_a_kill_at_any_step(
    bench: Bench, tmp_path: Path, make_recorder: Make, expected_best: tuple[Any, ...], at_step: int
) -> None:
    work = tmp_path / "run"
    with pytest.raises(Killed):
        bench.run(work, observer=make_recorder({at_step: _raise_killed}), milestones=_keep_best(work))
    keep_best = _keep_best(work)
    bench.run(work, milestones=keep_best)

    assert _outcome(bench, work, keep_best) == expected_best


@pytest.mark.parametrize("at_call", range(1, 7))
def test_an_evaluation_is_interrupted_at_once_and_made_again(
    bench: Bench, tmp_path: Path, make_recorder: Make, expected_best: tuple[Any, ...], at_call: int
) -> None:
    work, recorder = tmp_path / "run", make_recorder()
    with pytest.raises(KeyboardInterrupt):
        bench.run(work, observer=recorder, milestones=_keep_best(work, {at_call: _interrupt}))
    assert recorder.checkpoints[-1].step == 2 * at_call
    assert recorder.steps[-1].step == 2 * at_call - 1  # the step itself is not told of yet
    keep_best, again = _keep_best(work), make_recorder()
    bench.run(work, observer=again, milestones=keep_best)

    assert [info.step for info in again.steps] == list(range(2 * at_call, NUM_STEPS + 1))
    assert _outcome(bench, work, keep_best) == expected_best


def test_a_step_interrupted_before_its_evaluation_is_evaluated_later(
    bench: Bench, tmp_path: Path, expected_best: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "run"
    real = bench.source.micro_batches
    with monkeypatch.context() as patch:
        patch.setattr(
            type(bench.source), "micro_batches", lambda _, step: (_interrupt() if step == 3 else None, real(step))[1]
        )
        with pytest.raises(KeyboardInterrupt):
            bench.run(work, milestones=_keep_best(work))
    assert (work / "checkpoints" / "step-00000004-unsettled").is_dir()
    keep_best = _keep_best(work)
    bench.run(work, milestones=keep_best)

    assert _outcome(bench, work, keep_best) == expected_best


@pytest.mark.parametrize("from_the_end", [1, 2])
def test_an_interrupted_run_stops_early_where_another_does(
    bench: Bench, tmp_path: Path, read_metrics: ReadMetrics, from_the_end: int
) -> None:
    """Also where the evaluation that ends patience is the one that was interrupted."""
    keep_best = _keep_best(tmp_path / "whole", patience=1)
    bench.run(tmp_path / "whole", milestones=keep_best)
    expected = _outcome(bench, tmp_path / "whole", keep_best)
    num_evaluated = sum("score" in line for line in read_metrics(tmp_path / "whole"))
    assert 2 <= num_evaluated < NUM_STEPS // 2

    work = tmp_path / "run"
    at_call = {num_evaluated + 1 - from_the_end: _interrupt}
    with pytest.raises(KeyboardInterrupt):
        bench.run(work, milestones=_keep_best(work, at_call, patience=1))
    for _ in range(2):  # the second one finds that all is done
        keep_best = _keep_best(work, patience=1)
        bench.run(work, milestones=keep_best)
        assert _outcome(bench, work, keep_best) == expected


def test_ties_go_to_the_earliest_and_nothing_is_best_before_the_first(make_model: Make, tmp_path: Path) -> None:
    model = make_model()
    kept = KeepBest(
        name="dev", model=model, evaluate=lambda: {"f1": 0.5}, metric="f1", at_steps=[1, 2], path=tmp_path / "best"
    )
    kept.load_best()
    assert (kept.best_step, kept.files()) == (None, {})
    kept.run(1)
    kept.run(2)

    assert (kept.best_step, kept.state()["best_metrics"]) == (1, {"f1": 0.5})
    assert json.loads(json.dumps(kept.state())) == kept.state()
    assert [kept.due(step) for step in (1, 2, 3)] == [True, True, False]


@pytest.fixture(autouse=True)
def _handlers_stay() -> Iterator[None]:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


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

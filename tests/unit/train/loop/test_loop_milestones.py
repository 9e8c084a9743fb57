"""Evaluations on the way, and the best weights by them, over kills and interruptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from loop_bench import (
    NUM_STEPS,
    Bench,
    Killed,
    Make,
    ReadMetrics,
    interrupt,
    keep_best,
    outcome,
    raise_killed,
)

from domainlm.train.milestones import KeepBest


@pytest.fixture
def expected_best(bench: Bench, tmp_path: Path) -> tuple[Any, ...]:
    keeping = keep_best(tmp_path / "whole")
    bench.run(tmp_path / "whole", milestones=keeping)
    return outcome(bench, tmp_path / "whole", keeping)


def test_the_best_weights_are_those_of_the_best_evaluation(
    bench: Bench, tmp_path: Path, expected_best: tuple[Any, ...], read_metrics: ReadMetrics
) -> None:
    evaluated = [line for line in read_metrics(tmp_path / "whole") if "score" in line]
    best = max(evaluated, key=lambda line: (line["score"], -line["step"]))

    assert [line["step"] for line in evaluated] == [2, 4, 6, 8, 10, 12]
    assert 2 < best["step"] < 12  # else the test would say little
    assert expected_best[:2] == (best["step"], {"score": best["score"], "other": 1.0})
    at_best = bench.run(tmp_path / "short", milestones=keep_best(tmp_path / "short"))
    assert {name: weight.tolist() for name, weight in at_best.items()} != expected_best[2]


@pytest.mark.parametrize("at_step", range(1, NUM_STEPS + 1))
def test_best_so_far_survives_a_kill_at_any_step(
    bench: Bench, tmp_path: Path, make_recorder: Make, expected_best: tuple[Any, ...], at_step: int
) -> None:
    work = tmp_path / "run"
    with pytest.raises(Killed):
        bench.run(work, observer=make_recorder({at_step: raise_killed}), milestones=keep_best(work))
    keeping = keep_best(work)
    bench.run(work, milestones=keeping)

    assert outcome(bench, work, keeping) == expected_best


@pytest.mark.parametrize("at_call", range(1, 7))
def test_an_evaluation_is_interrupted_at_once_and_made_again(
    bench: Bench, tmp_path: Path, make_recorder: Make, expected_best: tuple[Any, ...], at_call: int
) -> None:
    work, recorder = tmp_path / "run", make_recorder()
    with pytest.raises(KeyboardInterrupt):
        bench.run(work, observer=recorder, milestones=keep_best(work, {at_call: interrupt}))
    assert recorder.checkpoints[-1].step == 2 * at_call
    assert recorder.steps[-1].step == 2 * at_call - 1  # the step itself is not told of yet
    keeping, again = keep_best(work), make_recorder()
    bench.run(work, observer=again, milestones=keeping)

    assert [info.step for info in again.steps] == list(range(2 * at_call, NUM_STEPS + 1))
    assert outcome(bench, work, keeping) == expected_best


def test_a_step_interrupted_before_its_evaluation_is_evaluated_later(
    bench: Bench, tmp_path: Path, expected_best: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "run"
    real = bench.source.micro_batches
    with monkeypatch.context() as patch:
        patch.setattr(
            type(bench.source), "micro_batches", lambda _, step: (interrupt() if step == 3 else None, real(step))[1]
        )
        with pytest.raises(KeyboardInterrupt):
            bench.run(work, milestones=keep_best(work))
    assert (work / "checkpoints" / "step-00000004-unsettled").is_dir()
    keeping = keep_best(work)
    bench.run(work, milestones=keeping)

    assert outcome(bench, work, keeping) == expected_best


def test_a_run_that_goes_on_in_its_last_step_can_be_interrupted_there(
    bench: Bench, tmp_path: Path, make_recorder: Make, expected_best: tuple[Any, ...]
) -> None:
    work, last = tmp_path / "run", NUM_STEPS // 2
    with pytest.raises(KeyboardInterrupt):
        bench.run(work, milestones=keep_best(work, {last: interrupt}))
    assert (work / "checkpoints" / f"step-{NUM_STEPS:08d}-unsettled").is_dir()
    recorder = make_recorder(at_step={NUM_STEPS: interrupt})
    with pytest.raises(KeyboardInterrupt):
        bench.run(work, observer=recorder, milestones=keep_best(work))
    keeping = keep_best(work)
    bench.run(work, milestones=keeping)

    assert outcome(bench, work, keeping) == expected_best


@pytest.mark.parametrize("from_the_end", [1, 2])
def test_an_interrupted_run_stops_early_where_another_does(
    bench: Bench, tmp_path: Path, read_metrics: ReadMetrics, from_the_end: int
) -> None:
    """Also where the evaluation that ends patience is the one that was interrupted."""
    keeping = keep_best(tmp_path / "whole", patience=1)
    bench.run(tmp_path / "whole", milestones=keeping)
    expected = outcome(bench, tmp_path / "whole", keeping)
    num_evaluated = sum("score" in line for line in read_metrics(tmp_path / "whole"))
    assert 2 <= num_evaluated < NUM_STEPS // 2

    work = tmp_path / "run"
    at_call = {num_evaluated + 1 - from_the_end: interrupt}
    with pytest.raises(KeyboardInterrupt):
        bench.run(work, milestones=keep_best(work, at_call, patience=1))
    for _ in range(2):  # the second one finds that all is done
        keeping = keep_best(work, patience=1)
        bench.run(work, milestones=keeping)
        assert outcome(bench, work, keeping) == expected


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

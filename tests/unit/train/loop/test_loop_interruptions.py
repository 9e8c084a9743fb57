"""Ctrl-C at any moment."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from loop_bench import (
    NUM_STEPS,
    Bench,
    Make,
    interrupt,
    same,
)


@pytest.mark.parametrize("at_step", [1, 6, 8, 12])
def test_ctrl_c_finishes_the_step_and_saves(bench: Bench, tmp_path: Path, make_recorder: Make, at_step: int) -> None:
    expected = bench.run(tmp_path / "whole")
    recorder = make_recorder({at_step: interrupt})
    with pytest.raises(KeyboardInterrupt):
        bench.run(tmp_path / "run", observer=recorder)
    again = make_recorder()
    weights = bench.run(tmp_path / "run", observer=again)

    assert recorder.steps[-1].step == recorder.checkpoints[-1].step == at_step
    assert [info.step for info in again.steps] == list(range(at_step + 1, NUM_STEPS + 1))
    assert same(expected, weights)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


def test_a_handler_that_returns_costs_one_checkpoint(bench: Bench, tmp_path: Path, make_recorder: Make) -> None:
    calls: list[int] = []
    recorder = make_recorder({1: interrupt})
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
        type(bench.source), "micro_batches", lambda _, step: (interrupt() if step == 2 else None, real(step))[1]
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
            interrupt()
            interrupt()
        return real(step)

    monkeypatch.setattr(type(bench.source), "micro_batches", lambda _, step: twice(step))
    recorder = make_recorder()
    with pytest.raises(KeyboardInterrupt):
        bench.run(tmp_path, observer=recorder)

    assert ([info.step for info in recorder.steps], recorder.checkpoints) == ([1, 2], [])

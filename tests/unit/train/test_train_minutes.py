"""A budget in minutes becomes a number of steps once, by the speed of the first ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from domainlm.parallel.device import Device
from domainlm.train import minutes
from domainlm.train.minutes import BUDGET_FILE, fitted_steps


class Clock:
    """Every step of the worker takes two seconds, the first one ten, and every milestone forty."""

    module = None

    def __init__(self) -> None:
        self.now, self.steps = 100.0, list[int]()

    def perf_counter(self) -> float:
        return self.now

    def micro_batches(self, step: int) -> Sequence[Any]:
        self.steps.append(step)
        return []

    def gradients(self, step: int, micro_batches: Sequence[Any]) -> None:
        assert (step, micro_batches) == (self.steps[-1], [])
        self.now += 10.0 if len(self.steps) == 1 else 2.0

    def update(self, rate: float) -> None:
        assert rate < 1e-9

    def run(self, step: int) -> dict[str, float]:
        assert step == 0
        self.now += 40.0
        return {}


def test_the_time_that_is_left_is_divided_by_that_of_a_step(
    cpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(minutes, "time", SimpleNamespace(perf_counter=clock.perf_counter))

    def prepare() -> Any:  # noqa: ANN401
        return clock, clock

    found = fitted_steps(tmp_path, 10.0, 1_000_000, prepare, cpu, first_step=7)
    # 600 seconds: 10 to warm up, 12 of timing (a fiftieth) for 6 steps of 2 seconds; 578 are left.
    assert (found.num_steps, found.seconds_per_step, found.num_timed_steps) == (289, 2.0, 6)
    assert clock.steps == [7, 8, 9, 10, 11, 12, 13]
    assert json.loads((tmp_path / BUDGET_FILE).read_text("utf-8"))["num_steps"] == 289
    again = fitted_steps(tmp_path, 10.0, 1_000_000, lambda: pytest.fail("it was measured"), cpu)
    assert again == found


def test_what_is_scored_on_the_way_takes_its_share(
    cpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(minutes, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    scored: list[tuple[Any, int]] = [(clock, 10), (clock, 20)]
    found = fitted_steps(tmp_path, 10.0, 1_000_000, lambda: (clock, clock), cpu, milestones=lambda _: scored)  # type: ignore[arg-type,return-value]
    # A step with its shares of both takes 2 + 4 + 2 seconds; 600 - 10 - 12 - 80 are left.
    assert (found.num_steps, found.seconds_per_step) == (498 // 8, 8.0)


@pytest.mark.parametrize(("max_steps", "expected"), [(3, 3), (1_000, 1)])
def test_there_is_a_step_at_least_and_no_more_than_asked(
    max_steps: int, expected: int, cpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(minutes, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    budget = 10.0 if max_steps == 3 else 0.01
    assert fitted_steps(tmp_path, budget, max_steps, lambda: (clock, clock), cpu).num_steps == expected


@pytest.mark.parametrize(("kind", "forked"), [("cpu", []), ("cuda", [torch.device("cuda", 3)])])
def test_random_numbers_of_other_gpus_are_let_alone(
    kind: str, forked: list[torch.device], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named none, torch warns and wakes every GPU of the machine."""
    clock, seen = Clock(), list[Any]()

    @contextmanager
    def noting(devices: Any = None) -> Iterator[None]:  # noqa: ANN401 - torch's own
        seen.append(devices)
        yield

    monkeypatch.setattr(minutes, "time", SimpleNamespace(perf_counter=clock.perf_counter))
    monkeypatch.setattr(torch.random, "fork_rng", noting)
    device = Device(torch_device=torch.device(kind, 3 if kind == "cuda" else None), precision="fp32")
    fitted_steps(tmp_path, 10.0, 1_000, lambda: (clock, clock), device)  # type: ignore[arg-type,return-value]
    assert seen == [forked]

"""Trains the small model of these tests, and what may happen to a run on the way."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from domainlm.parallel.device import Device
from domainlm.train.loop import train
from domainlm.train.milestones import KeepBest, Milestone
from domainlm.train.observer import NullObserver

NUM_STEPS = 12
Weights = dict[str, torch.Tensor]
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


def same(first: Weights, second: Weights) -> bool:
    return all(torch.equal(weight, second[name]) for name, weight in first.items())


def interrupt() -> None:
    """Press Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


class Killed(BaseException):
    """What a process that is killed would not notice."""


def raise_killed() -> None:
    raise Killed


class Judge:
    """Scores a model by its first bias, best in the middle of the run; may act at one of its calls."""

    def __init__(self, model: nn.Module, at_call: Mapping[int, Callable[[], None]]) -> None:
        self._bias = model.state_dict()["0.bias"]
        self._at_call = at_call
        self._num_calls = 0

    def __call__(self) -> dict[str, float]:
        self._num_calls += 1
        self._at_call.get(self._num_calls, lambda: None)()
        return {"score": -abs(float(self._bias[0]) * 1e3 % 7 - 5), "other": 1.0}


def keep_best(
    work: Path, at_call: Mapping[int, Callable[[], None]] | None = None, patience: int | None = None
) -> Callable[[nn.Module], list[Milestone]]:
    """Makes the milestone that keeps the best weights by `Judge`, every second step."""

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


def outcome(bench: Bench, work: Path, keeping: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """What must be equal, however often a run was killed: the best step, its scores and weights, and the metrics."""
    (kept,) = keeping.made[-1:]
    kept.load_best()
    best = {name: weight.tolist() for name, weight in bench.model.state_dict().items()}
    return kept.best_step, kept.state()["best_metrics"], best, (work / "metrics.jsonl").read_bytes()

"""A model so small that a step takes a millisecond, with dropout, parts of a loss and uneven micro-batches."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from domainlm.api import CheckpointInfo, StepInfo
from domainlm.model.dropout import Dropout
from domainlm.parallel.device import Device, choose_device
from domainlm.parallel.heartbeat import FIRST_STEP_SECONDS, HeartbeatWriter, note_step
from domainlm.parallel.watchdog import Watchdog
from domainlm.recipe.optimizer_settings import OptimizerSettings, ScheduleSettings
from domainlm.train.loop_settings import LoopSettings

NUM_STEPS = 12


@dataclass(frozen=True)
class Points:
    """A micro-batch: points and what is to be said of them."""

    inputs: torch.Tensor
    targets: torch.Tensor
    num_tokens: int

    def to(self, device: torch.device) -> Points:
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device))


@dataclass(frozen=True)
class PointSource:
    """The points of a step are a function of the step; `size` is that of a micro-batch, the last one being smaller."""

    size: int = 3
    num_points: int = 10

    def micro_batches(self, step: int) -> Sequence[Points]:
        random = np.random.Generator(np.random.Philox(key=step))
        inputs = torch.from_numpy(random.standard_normal((self.num_points, 4), dtype=np.float32))
        parts = zip(inputs.split(self.size), inputs.sum(dim=1).split(self.size), strict=True)
        return [Points(each, targets, 7 * len(each)) for each, targets in parts]


class PointObjective:
    """Squared error of all points, and of their signs for every second one."""

    def counts(self, batch: Points) -> Mapping[str, int]:
        return {"value": len(batch.targets), "sign": len(batch.targets[::2])}

    def loss_sums(self, model: nn.Module, batch: Points) -> Mapping[str, torch.Tensor]:
        said = model(batch.inputs)
        value = functional.mse_loss(said[:, 0], batch.targets, reduction="sum")
        sign = functional.mse_loss(said[::2, 1], batch.targets[::2].sign(), reduction="sum")
        return {"value": value, "sign": sign}


class Recorder:
    """An observer that keeps what it is told, and may do something at a step."""

    def __init__(self, at_step: Mapping[int, Callable[[], None]] | None = None) -> None:
        self.steps: list[StepInfo] = []
        self.checkpoints: list[CheckpointInfo] = []
        self._at_step = at_step or {}

    def step_ended(self, info: StepInfo) -> None:
        self.steps.append(info)
        self._at_step.get(info.step, lambda: None)()

    def checkpoint_saved(self, info: CheckpointInfo) -> None:
        self.checkpoints.append(info)


@pytest.fixture(scope="session")
def cpu() -> Device:
    return choose_device("cpu", "fp32")


@pytest.fixture
def make_model() -> Callable[..., nn.Module]:
    def make(dropout: float = 0.2) -> nn.Module:
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            return nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), Dropout(dropout), nn.Linear(8, 2))

    return make


@pytest.fixture(scope="session")
def make_settings() -> Callable[..., LoopSettings]:
    def make(**changes: Any) -> LoopSettings:  # noqa: ANN401 - fields of several types
        fields: dict[str, Any] = {
            "phase": "finetune",
            "num_steps": NUM_STEPS,
            "optimizer": OptimizerSettings(learning_rate=0.01),
            "schedule": ScheduleSettings(),
            "seed": 5,
            "num_steps_per_checkpoint": 4,
        }
        return LoopSettings(**(fields | changes))

    return make


@pytest.fixture
def make_source() -> type[PointSource]:
    return PointSource


@pytest.fixture
def make_objective() -> type[PointObjective]:
    return PointObjective


@pytest.fixture
def make_recorder() -> type[Recorder]:
    return Recorder


@pytest.fixture
def read_metrics() -> Callable[[Path], list[dict[str, Any]]]:
    return lambda work: [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """All that was logged, one message a line."""
    with caplog.at_level("WARNING"):
        yield lambda: "\n".join(record.getMessage() for record in caplog.records)


@pytest.fixture
def granted(tmp_path: Path) -> Iterator[Callable[[], bool]]:
    """Within the test this process is a watched rank whose steps are short.

    Gives a function to call in the midst of slow work: whether its heartbeats grant it the time of such within 20
    seconds.
    """
    folder = tmp_path / "heartbeats"
    folder.mkdir()
    watchdog = Watchdog(folder, [0])

    def seen(*, is_slow: bool) -> bool:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            heartbeat = watchdog.last(0)
            if heartbeat is not None and (heartbeat.limit_seconds == FIRST_STEP_SECONDS) == is_slow:
                return True
            time.sleep(0.05)
        return False

    with HeartbeatWriter(folder, 0, 1, hang_seconds=1.0).beating():
        note_step(1)
        note_step(2)
        assert seen(is_slow=False)
        yield lambda: seen(is_slow=True)

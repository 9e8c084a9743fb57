"""Work that is done after certain steps and whose outcome is part of the run's state, such as "best epoch so far"."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from safetensors.torch import load_file
from torch import nn

from domainlm.files import whole_file
from domainlm.model.tensor_file import write_tensors


class Milestone(Protocol):
    """Work after certain steps.

    The loop calls `run` after each step that is `due`, before the step's line of metrics is written and before a
    checkpoint of that step. What `run` returns is added to that line. `state` and `files` go into every checkpoint
    and come back through `restore` when a run goes on, so a milestone may remember things without breaking exact
    resumption. `run` must be a function of the model's weights and of that memory; it is called again for the same
    step where it was interrupted.
    """

    @property
    def name(self) -> str:
        """Short name, unique among the milestones of a run; letters, digits, "-" and "_"."""

    @property
    def stops(self) -> bool:
        """Whether training is to end after this step; a function of what `state` remembers."""

    def due(self, step: int) -> bool:
        """Whether there is work after `step` steps (from 1)."""

    def run(self, step: int) -> Mapping[str, float]:
        """Do the work; return what is to be written into the metrics of this step."""

    def state(self) -> Mapping[str, Any]:
        """What has to be remembered: a few small JSON values."""

    def files(self) -> Mapping[str, Path]:
        """Files that belong to the state, by their name in the checkpoint. Never changed in place, only replaced."""

    def restore(self, state: Mapping[str, Any], files: Mapping[str, Path]) -> None:
        """Go back to a saved state. `files` are inside the checkpoint: copy or read them, do not move them."""


class WeightKeeper(Protocol):
    """Writes a model's weights to a file, and reads them back; with several ranks all of them call the same methods."""

    @property
    def is_writer(self) -> bool:
        """Whether this process is the one that touches files."""

    def write(self, path: Path) -> None:
        """Write all weights to a .safetensors file."""

    def read(self, path: Path) -> None:
        """Take the weights from such a file."""

    def same_for_all(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """The numbers that all ranks are to go by."""


@dataclass(frozen=True, slots=True)
class ModuleWeights:
    """The weights of a whole model."""

    model: nn.Module
    is_writer: bool = True

    def write(self, path: Path) -> None:
        """Write the model's tensors."""
        write_tensors(path, self.model.state_dict())

    def read(self, path: Path) -> None:
        """Put them back."""
        self.model.load_state_dict(load_file(path))

    def same_for_all(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """The same."""
        return dict(metrics)


class KeepBest:
    """Evaluates after given steps and keeps the weights of the best evaluation.

    Args:
        name: name of the milestone.
        model: the model in training, or who keeps its weights: saved when an evaluation is the best so far.
        evaluate: scores the model as it is now; all its numbers go into metrics.jsonl.
        metric: the number of `evaluate` to maximise. Of equal values the earliest wins.
        at_steps: after which steps (for example the last of each epoch).
        path: where the best weights are kept (a .safetensors file in the work folder).
        patience: training stops after so many evaluations in a row that were not the best so far; None goes on.
    """

    _FILE = "best.safetensors"

    def __init__(
        self,
        *,
        name: str,
        model: nn.Module | WeightKeeper,
        evaluate: Callable[[], Mapping[str, float]],
        metric: str,
        at_steps: Collection[int],
        path: Path,
        patience: int | None = None,
    ) -> None:
        self.name = name
        self._weights: WeightKeeper = ModuleWeights(model) if isinstance(model, nn.Module) else model
        self._evaluate = evaluate
        self._metric = metric
        self._at_steps = frozenset(at_steps)
        self._path = path
        self._best_step: int | None = None
        self._best_metrics: dict[str, float] = {}
        self._patience = patience
        self._num_worse = 0

    @property
    def best_step(self) -> int | None:
        """Step of the best evaluation; None before the first."""
        return self._best_step

    @property
    def stops(self) -> bool:
        """Whether patience is at its end."""
        return self._patience is not None and self._num_worse >= self._patience

    def due(self, step: int) -> bool:
        """Whether an evaluation follows this step."""
        return step in self._at_steps

    def run(self, step: int) -> Mapping[str, float]:
        """Evaluate, and keep the weights where they are the best so far."""
        metrics = self._weights.same_for_all(self._evaluate())
        if self._best_step is None or metrics[self._metric] > self._best_metrics[self._metric]:
            self._weights.write(self._path)
            self._best_step, self._best_metrics, self._num_worse = step, metrics, 0
        else:
            self._num_worse += 1
        return metrics

    def state(self) -> Mapping[str, Any]:
        """Step and numbers of the best evaluation, and how many worse ones followed it."""
        return {"best_step": self._best_step, "best_metrics": self._best_metrics, "num_worse": self._num_worse}

    def files(self) -> Mapping[str, Path]:
        """The best weights, once there are some."""
        return {} if self._best_step is None else {self._FILE: self._path}

    def restore(self, state: Mapping[str, Any], files: Mapping[str, Path]) -> None:
        """Go back to what a checkpoint remembers."""
        self._best_step = state["best_step"]
        self._best_metrics = dict(state["best_metrics"])
        self._num_worse = state["num_worse"]
        if not self._weights.is_writer:
            return
        if self._FILE in files:
            with whole_file(self._path) as target, files[self._FILE].open("rb") as source:
                shutil.copyfileobj(source, target)
        else:
            self._path.unlink(missing_ok=True)

    def load_best(self) -> None:
        """Put the best weights into the model."""
        if self._best_step is not None:
            self._weights.read(self._path)

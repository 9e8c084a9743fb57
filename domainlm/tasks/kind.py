"""What fine-tuning asks of a kind of task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn

from domainlm.api import Split
from domainlm.parallel.device import Device
from domainlm.tasks.scores import Json, TaskScore
from domainlm.train.objective import BatchSource, StagedObjective


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model on one split.

    Attributes:
        scores: every score, the pooled ones first.
        predictions: one JSON object per example, in order.
    """

    scores: Sequence[TaskScore]
    predictions: Sequence[Mapping[str, Json]]


class PreparedTask(Protocol):
    """A task whose data are turned into features for one model: everything fine-tuning needs besides the loop."""

    @property
    def choice_metric(self) -> str:
        """The pooled metric by which epochs are compared on dev; more is better."""

    @property
    def num_steps_per_epoch(self) -> int:
        """Optimizer steps that see the training split once."""

    @property
    def objective(self) -> StagedObjective[Any]:
        """The loss."""

    @property
    def source(self) -> BatchSource[Any]:
        """The micro-batches of each step."""

    def build_model(self) -> nn.Module:
        """The encoder with the start's weights, under the start's head where it fits, else under a fresh one."""

    def evaluate(self, model: nn.Module, split: Split, device: Device) -> Evaluation:
        """Label one split with a model in evaluation mode, and score it."""

    def config_extra(self) -> Mapping[str, Json]:
        """What config.json of the fine-tuned model says besides the encoder's shape, its kind included.

        Asked for after the splits were evaluated.
        """

    def facts(self) -> Iterator[tuple[Split, Mapping[str, Json]]]:
        """Sizes of each split, for scores.json."""

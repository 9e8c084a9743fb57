"""Who is told about steps and checkpoints while the loop runs."""

from __future__ import annotations

from typing import Protocol

from domainlm.api import CheckpointInfo, StepInfo


class Observer(Protocol):
    """Told of progress, after the fact. May not change the training and must return soon."""

    def step_ended(self, info: StepInfo) -> None:
        """An optimizer step is done and its line of metrics is written."""

    def checkpoint_saved(self, info: CheckpointInfo) -> None:
        """A checkpoint is complete on disk."""


class NullObserver:
    """An observer that does nothing."""

    def step_ended(self, info: StepInfo) -> None:
        """Do nothing."""

    def checkpoint_saved(self, info: CheckpointInfo) -> None:
        """Do nothing."""

"""What the loop does about checkpoints, and what all ranks agree on between two steps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from domainlm.api import CheckpointInfo
from domainlm.parallel.world import World
from domainlm.train.checkpoints.reading import Checkpoint
from domainlm.train.checkpoints.runs import Checkpoints, Contents
from domainlm.train.metrics import MetricsLog
from domainlm.train.observer import Observer

_log = logging.getLogger(__name__)

Collect = Callable[[Mapping[str, float] | None], Contents]
"""Gives what goes into a checkpoint now; the argument is `Contents.unsettled`."""


class Saving:
    """Writes checkpoints beside the training. All ranks call its methods together.

    A checkpoint is begun between two steps, when the tensors are copied; every rank then writes its part in the
    background (or at once, and nothing is copied). Between later steps the ranks tell one another who is still writing.
    Once nobody is, the checkpoint gets its manifest and its name, and the observer hears of it. The next checkpoint,
    and the end of the run, wait for that. An error of the writing is raised at this moment, on all ranks.

    Args:
        checkpoints: those of the run.
        collect: gives what is to be saved.
        world: the ranks.
        observer: told of complete checkpoints.
    """

    def __init__(self, checkpoints: Checkpoints, collect: Collect, world: World, observer: Observer) -> None:
        self._checkpoints, self._collect, self._world, self._observer = checkpoints, collect, world, observer

    def latest(self) -> Checkpoint | None:
        """The newest whole checkpoint."""
        return self._checkpoints.latest()

    def agree(self, signal_number: int) -> int:
        """Seal a checkpoint that every rank has written; returns the signal that any rank has received, or 0."""
        is_writing = self._checkpoints.is_writing
        if self._world.size > 1:
            highest, writing = self._world.max([signal_number, is_writing])
            signal_number, is_writing = int(highest), bool(writing)
        if self._checkpoints.is_pending and not is_writing:
            self._seal()
        return signal_number

    def save(self, step: int, log: MetricsLog, unsettled: Mapping[str, float] | None = None) -> None:
        """Begin a checkpoint after `step` steps; waits for the former one.

        Raises:
            OSError: this one cannot be begun, or the former one not be written.
        """
        self._seal()
        log.sync()
        self._checkpoints.begin(step, self._collect(unsettled))

    def finish(self) -> None:
        """Wait for the checkpoint in work.

        Raises:
            OSError: it cannot be written.
        """
        self._seal()

    def finish_after(self, error: BaseException) -> None:
        """Wait for the checkpoint in work before an error of this rank alone ends the run, where nobody else must.

        With several ranks the others may wait for this one elsewhere, so what is not complete is left behind.
        """
        if self._world.size > 1:
            return
        try:
            self._seal()
        except OSError as second:
            _log.warning("the last checkpoint could not be written either: %s", second)
            error.add_note(f"the last checkpoint could not be written: {second}")

    def _seal(self) -> None:
        saved = self._checkpoints.seal()
        if saved is not None:
            self._observer.checkpoint_saved(CheckpointInfo(folder=Path(saved.folder), step=saved.step))

"""The batches of the next step, made while a GPU computes the one before."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from domainlm.train.objective import Batch, BatchSource

BatchT = TypeVar("BatchT", bound=Batch)


class Ahead(Generic[BatchT]):
    """Asks a source for the step after the one that is asked for, in a thread; what comes is the same.

    Args:
        source: whose batches depend on the step alone, and whose asking changes nothing. It is only ever asked by one
            thread.
    """

    def __init__(self, source: BatchSource[BatchT]) -> None:
        self._source = source
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._next: tuple[int, Future[Sequence[BatchT]]] | None = None

    def micro_batches(self, step: int) -> Sequence[BatchT]:
        """The batches of the step that follows `step` done ones; errors are those of the source."""
        if self._next is None or self._next[0] != step:
            self._next = (step, self._ask(step))
        found = self._next[1].result()
        self._next = (step + 1, self._ask(step + 1))
        return found

    def _ask(self, step: int) -> Future[Sequence[BatchT]]:
        return self._thread.submit(self._source.micro_batches, step)

"""Processes that share the work of one step."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from types import TracebackType
from typing import Self

from domainlm.cancellation import check_cancelled
from domainlm.errors import MachineError

_SECONDS_BETWEEN_LOOKS = 2.0
_TASKS_PER_WORKER = 2
"""Tasks that wait for a worker, their arguments in memory."""


class Workers:
    """Worker processes; a context manager. An error in one of them is raised here and stops the others.

    They are started anew ("spawn"), so a script that makes some must guard its main part by
    `if __name__ == "__main__":`. Each is one thread: there is a process for each core.

    Args:
        num_workers: how many.
        start: called in each worker before its first task.
        arguments: of `start`.
    """

    def __init__(self, num_workers: int, start: Callable[..., object], arguments: tuple[object, ...]) -> None:
        context = get_context("spawn")
        self._stopped = context.Event()
        self._limit = _TASKS_PER_WORKER * num_workers
        self._pending: dict[Future[int], Callable[[int], object] | None] = {}
        self._executor = ProcessPoolExecutor(
            num_workers,
            mp_context=context,
            initializer=_start_worker,
            initargs=(self._stopped, os.getpid(), start, arguments),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._stopped.set()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def submit(self, task: Callable[..., int], *arguments: object, done: Callable[[int], object] | None = None) -> None:
        """Have something done, and `done` told its result; waits while there is much to do already.

        Raises:
            MachineError: a worker was killed, for example by the system for want of memory.
        """
        while len(self._pending) >= self._limit:
            self._collect()
        self._pending[self._executor.submit(task, *arguments)] = done

    def finish(self) -> None:
        """Wait until all is done; raises as `submit`."""
        while self._pending:
            self._collect()

    def _collect(self) -> None:
        finished: set[Future[int]] = set()
        while not finished:
            check_cancelled()
            finished, _ = wait(self._pending, _SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
        for future in finished:
            done = self._pending.pop(future)
            try:
                result = future.result()
            except BrokenProcessPool as error:
                raise MachineError(
                    "a process that prepares text was killed",
                    remedy="was the memory used up? Run the same command again, with fewer workers: it goes on",
                ) from error
            if done is not None:
                done(result)


class _Worker:
    """What every worker process knows."""

    stopped: Event


def is_stopped() -> bool:
    """In a worker: whether the others were told to stop, so that a long task should end early."""
    return _Worker.stopped.is_set()


def _start_worker(stopped: Event, parent: int, start: Callable[..., object], arguments: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears of it and tells us by `stopped`
    os.environ["RAYON_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _Worker.stopped = stopped
    start(*arguments)


def _end_with(parent: int) -> None:
    """End this process when its parent was killed and cannot tell it to."""
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)

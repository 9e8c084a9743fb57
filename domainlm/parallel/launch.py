"""Starts the ranks of one machine as processes, hears from them, and ends all of them when one fails.

A rank is connected with the process that started it by a pipe: what it tells and how it ended come up, a request to
stop goes down. Where the starting process dies, its ranks end too.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from multiprocessing import connection, get_context, set_start_method
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn

from domainlm.cancellation import check_cancelled
from domainlm.errors import MachineError, Terminated, UserError, storage_error
from domainlm.parallel.contact import lost_contact
from domainlm.parallel.device_errors import device_error
from domainlm.parallel.watchdog import Trouble, Watchdog

_POLL_SECONDS = 1.0
_GRACE_SECONDS = 5.0
"""Between a first failure and the end of all: ranks that lost another one fail too, and the cause may come later."""
_GO_ON = "run the same command again: training goes on from its last checkpoint"

Tell = Callable[[Any], None]
"""Sends a record to the process that started this rank."""
Entry = Callable[[int, Tell], None]
"""What a rank does; it gets its number."""


class _Origin(IntEnum):
    """What a rank's failure says of the run's; of several failures the lowest is raised."""

    CAUSE = 0
    PERHAPS = 1
    """A bug, which may have come of another rank's failure."""
    EFFECT = 2
    """It lost another rank."""


@dataclass(slots=True)
class _Rank:
    """A rank as its starter sees it."""

    number: int
    process: BaseProcess
    pipe: connection.Connection[Any, Any]
    is_done: bool = False
    failure: tuple[_Origin, UserError | RuntimeError] | None = None
    """Where it may have come from, and what to raise."""
    is_stopped: bool = False


def launch_ranks(entry: Entry, size: int, *, heartbeats: Path, hear: Tell, preload: Sequence[str] = ()) -> None:
    """Run `entry` on ranks of this machine until all are done.

    Args:
        entry: a function at the top of a module, or a record that can be called; it is pickled.
        size: number of ranks.
        heartbeats: the folder into which the ranks write them.
        hear: called with what ranks tell, in this thread.
        preload: modules to be imported once, before ranks are forked.

    Raises:
        UserError: of a rank; `MachineError` where a rank died or hangs, or its heartbeat stopped.
        RuntimeError: a rank failed by a bug; the text has its traceback.
        KeyboardInterrupt: as it reached this process, once all ranks have stopped; a second one stops them at once.
        Terminated: the ranks have stopped, without this process being asked to.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    ranks = [_start(context, entry, number) for number in range(size)]
    starter = _Starter(ranks, Watchdog(heartbeats, range(size)), hear)
    try:
        starter.follow()
    except KeyboardInterrupt:
        starter.stop()
        raise
    finally:
        for rank in ranks:
            rank.process.kill()
            rank.process.join()
            rank.pipe.close()


def _start(context: Any, entry: Entry, number: int) -> _Rank:  # noqa: ANN401 - multiprocessing's contexts have no common type
    ours, theirs = context.Pipe()
    process = context.Process(target=_run_rank, args=(entry, number, theirs), name=f"rank {number}", daemon=True)
    process.start()
    theirs.close()
    return _Rank(number, process, ours)


@dataclass(slots=True)
class _Starter:
    """Listens to the ranks."""

    ranks: list[_Rank]
    watchdog: Watchdog
    hear: Tell
    first_failure: float | None = field(default=None)

    def follow(self) -> None:
        """Return when all ranks are done; raise when one has failed."""
        while not all(rank.is_done for rank in self.ranks):
            check_cancelled()
            self._listen()
            if self.first_failure is None and any(rank.failure for rank in self.ranks):
                self.first_failure = time.monotonic()
            trouble = self.watchdog.look() if self.first_failure is None else None
            if trouble is not None:
                raise machine_error(trouble, len(self.ranks))
            if self.first_failure is not None and self._is_settled():
                self._raise()
            if any(rank.is_stopped for rank in self.ranks) and all(
                rank.is_stopped or rank.is_done for rank in self.ranks
            ):
                raise Terminated  # what stops ranks is SIGTERM, or a request

    def stop(self) -> None:
        """Ask all ranks to stop after the same step, and wait for it; what goes wrong on the way is raised."""
        for rank in self.ranks:
            with suppress(OSError):
                rank.pipe.send("stop")
        with suppress(KeyboardInterrupt):  # all of them have stopped
            self.follow()

    def _listen(self) -> None:
        active = [rank for rank in self.ranks if not rank.is_done and not rank.is_stopped and rank.failure is None]
        by_handle: dict[Any, _Rank] = {rank.pipe: rank for rank in active}
        for ready in connection.wait(list(by_handle), timeout=_POLL_SECONDS):
            rank = by_handle[ready]
            try:
                kind, content = rank.pipe.recv()
            except (EOFError, OSError):
                rank.failure = (_Origin.CAUSE, self._death(rank))
                continue
            self._hear(rank, kind, content)

    def _hear(self, rank: _Rank, kind: str, content: Any) -> None:  # noqa: ANN401 - of several types
        if kind == "told":
            self.hear(content)
        elif kind == "done":
            rank.is_done = True
        elif kind == "stopped":
            rank.is_stopped = True
        elif kind == "error":
            rank.failure = (_Origin.CAUSE, content)
        elif kind == "lost":
            trouble = Trouble(rank.number, "", self._last_step(rank), f"lost the other ranks: {content}")
            rank.failure = (_Origin.EFFECT, machine_error(trouble, len(self.ranks)))
        else:
            rank.failure = (_Origin.PERHAPS, RuntimeError(f"rank {rank.number} failed:\n{content}"))

    def _death(self, rank: _Rank) -> MachineError:
        rank.process.join(_GRACE_SECONDS)
        code = rank.process.exitcode
        problem = f"ended with exit code {code}"
        if code is not None and code < 0:
            hint = " (out of memory, perhaps)" if -code == signal.SIGKILL else ""
            problem = f"was killed by {signal.Signals(-code).name}{hint}"
        return machine_error(self.watchdog.trouble(rank.number, problem), len(self.ranks))

    def _last_step(self, rank: _Rank) -> int:
        heartbeat = self.watchdog.last(rank.number)
        return heartbeat.step if heartbeat else 0

    def _is_settled(self) -> bool:
        assert self.first_failure is not None
        has_cause = any(rank.failure is not None and rank.failure[0] is _Origin.CAUSE for rank in self.ranks)
        is_over = all(rank.is_done or rank.is_stopped or rank.failure for rank in self.ranks)
        return has_cause or is_over or time.monotonic() - self.first_failure > _GRACE_SECONDS

    def _raise(self) -> NoReturn:
        _, error = min((rank.failure for rank in self.ranks if rank.failure is not None), key=lambda each: each[0])
        raise error


def machine_error(trouble: Trouble, size: int) -> MachineError:
    """The error that a rank's trouble ends the run with."""
    return MachineError(
        f"rank {trouble.rank} of {size}{f' on {trouble.host}' if trouble.host else ''} {trouble.problem}",
        given=f"last step {trouble.step:,}" if trouble.step else "no step done yet",
        remedy=_GO_ON,
    )


def _run_rank(entry: Entry, number: int, pipe: connection.Connection[Any, Any]) -> None:
    """The main function of a rank's process."""
    # Locks that libraries make (tqdm's) have no name then: one that is killed leaves none behind to be warned of.
    set_start_method("fork", force=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the starter, which asks all ranks to stop
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_listen_to_starter, args=(pipe,), name="starter", daemon=True).start()
    os.environ["LOCAL_RANK"] = str(number)
    sending = threading.Lock()  # checkpoints are written, and what they warn of is told, by a thread

    def tell(record: Any) -> None:  # noqa: ANN401 - whatever can be pickled
        with sending:
            pipe.send(("told", record))

    try:
        entry(number, tell)
        answer: tuple[str, Any] = ("done", None)
    except KeyboardInterrupt:
        answer = ("stopped", None)
    except UserError as error:
        answer = ("error", error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the starter hears of it
        answer = _answer(error)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with suppress(OSError), sending:  # the starter may be gone
        pipe.send(answer)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if answer[0] == "done" else 1)  # no rank waits for another one while it ends


def _answer(error: Exception) -> tuple[str, Any]:
    if (lost := lost_contact(error)) is not None:
        return "lost", lost
    if (lacking := device_error(error)) is not None:
        return "error", lacking
    if isinstance(error, OSError) and (translated := storage_error(error)) is not None:
        return "error", translated
    return "bug", "".join(traceback.format_exception(error))


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _listen_to_starter(pipe: connection.Connection[Any, Any]) -> None:
    """Pass a request to stop on to the main thread; end where the starter has died."""
    while True:
        try:
            pipe.recv()
        except (EOFError, OSError):
            os._exit(1)
        os.kill(os.getpid(), signal.SIGTERM)

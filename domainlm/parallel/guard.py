"""Ends a rank that others wait for in vain, where no starter does: under torchrun and srun.

Rank 0 watches the heartbeats of all ranks, the others watch rank 0's. Whoever finds or causes a failure first says
so, once, in a file beside the heartbeats and on stderr; the others end without a word of their own.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domainlm.errors import MachineError, UserError
from domainlm.parallel.contact import lost_contact
from domainlm.parallel.launch import machine_error
from domainlm.parallel.watchdog import SILENT_SECONDS, Trouble, Watchdog

_VERDICT = "verdict.txt"
_POLL_SECONDS = 2.0
_EXIT_CODE = 2
_SECONDS_TO_EXPLAIN = 2 * SILENT_SECONDS


class Guard:
    """Watches the other ranks while this one trains.

    Args:
        heartbeats: the folder that all ranks write them into.
        rank: this world rank.
        size: number of ranks.
    """

    def __init__(self, heartbeats: Path, rank: int, size: int) -> None:
        self._heartbeats, self._rank, self._size = heartbeats, rank, size
        self._ended = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within the context a rank in trouble ends this process.

        Raises:
            MachineError: contact with other ranks was lost, and this rank is the first to find out why.
            SystemExit: another rank has said already what ended the run.
        """
        thread = threading.Thread(target=self._watch, name="guard", daemon=True)
        thread.start()
        try:
            yield
        except Exception as error:
            if (lost := lost_contact(error)) is not None:
                raise self._explain(lost) from None
            self._claim_or_exit(str(error) if isinstance(error, UserError) else repr(error))
            raise
        finally:
            self._ended.set()
            thread.join()

    def _watch(self) -> None:
        watchdog = Watchdog(self._heartbeats, range(self._size) if self._rank == 0 else [0])
        while not self._ended.wait(_POLL_SECONDS):
            if self._verdict().is_file():
                # The main thread may be about to find out by itself; where it cannot, it is ended.
                if not self._ended.wait(_SECONDS_TO_EXPLAIN / 4):
                    os._exit(_EXIT_CODE)
                return
            trouble = watchdog.look()
            if trouble is not None:
                self._end(trouble)

    def _end(self, trouble: Trouble) -> None:
        error = machine_error(trouble, self._size)
        if self._claim(str(error)):
            sys.stderr.write(f"error: {error}\n")
            sys.stderr.flush()
        os._exit(_EXIT_CODE)  # the main thread waits for a rank that will never answer

    def _explain(self, lost: str) -> BaseException:
        """What to raise instead of a lost connection: nothing new where a cause is known, else what the watchdog finds.

        It waits until a heartbeat that has stopped can be told from one that is late.
        """
        watchdog = Watchdog(self._heartbeats, range(self._size))
        deadline = time.monotonic() + _SECONDS_TO_EXPLAIN
        while time.monotonic() < deadline:
            if self._verdict().is_file():
                return SystemExit(_EXIT_CODE)
            trouble = watchdog.look()
            if trouble is not None:
                return self._first(machine_error(trouble, self._size))
            time.sleep(_POLL_SECONDS / 4)
        trouble = watchdog.trouble(self._rank, f"lost the other ranks: {lost}")
        return self._first(machine_error(trouble, self._size))

    def _first(self, error: MachineError) -> BaseException:
        return error if self._claim(str(error)) else SystemExit(_EXIT_CODE)

    def _claim_or_exit(self, text: str) -> None:
        if not self._claim(text):
            raise SystemExit(_EXIT_CODE)

    def _claim(self, text: str) -> bool:
        """Whether this rank is the first to say what happened."""
        try:
            with self._verdict().open("x", encoding="utf-8") as stream:
                stream.write(f"rank {self._rank}: {text}\n")
        except FileExistsError:
            return False
        except OSError:
            return True  # better said twice than not at all
        return True

    def _verdict(self) -> Path:
        return self._heartbeats / _VERDICT

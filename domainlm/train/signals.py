"""Ctrl-C and SIGTERM while training: the step in work is finished and saved first, by all ranks the same step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from domainlm.errors import Terminated
from domainlm.parallel.world import current_world

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class DeferredSignal:
    """Remembers the first signal. A second one takes effect at once, unless several ranks have to stop together.

    Args:
        is_alone: whether this process is the only rank: one of several must neither stop by itself nor at once.

    Attributes:
        number: of the signal that waits; 0 for none.
    """

    def __init__(self, *, is_alone: bool = True) -> None:
        self.number = 0
        self._is_alone = is_alone
        self._is_immediate = False
        self._deliver: Callable[[], None] | None = None

    @property
    def received(self) -> bool:
        """Whether a signal waits."""
        return self.number != 0

    def deliver(self, number: int = 0) -> None:
        """Let the waiting signal have the effect it would have had; returns where there is none.

        It also returns where the program's own handler does, which may only take note: then no signal waits any more.

        Args:
            number: a signal that any rank received, which has its effect on all of them.

        Raises:
            KeyboardInterrupt: for SIGINT, where several ranks have to stop together; `Terminated` for SIGTERM.
        """
        deliver, self._deliver, self.number = self._deliver, None, 0
        if deliver is not None:
            deliver()
        if number and not self._is_alone:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    @contextmanager
    def immediate(self) -> Iterator[None]:
        """Within the context signals take effect at once, one that waits as well; among several ranks, between batches.

        There `heed_signals` lets them take effect, on all ranks at the same place.
        """
        if not self._is_alone:
            _heeding.append(self)
            try:
                yield
            finally:
                _heeding.remove(self)
            return
        self._is_immediate = True
        try:
            self.deliver()
            yield
        finally:
            self._is_immediate = False

    def defer(self, number: int, frame: FrameType | None, before: object) -> None:
        """Handle a signal whose handler was `before`."""

        def deliver() -> None:
            if callable(before):
                before(number, frame)
            else:
                raise KeyboardInterrupt

        is_second, self.number, self._deliver = self.received, number, deliver
        if self._is_alone and (is_second or self._is_immediate):
            self.deliver()


_deferring: list[tuple[threading.Thread, DeferredSignal]] = []
_heeding: list[DeferredSignal] = []


def interrupt() -> None:
    """Stop as Ctrl-C does, also where the program has a handler of its own: after the step in work, which is saved.

    All ranks stop at the same step. To be called in the thread that trains; where nothing is trained, it is at once.

    Raises:
        KeyboardInterrupt: where it is at once.
    """
    own = [deferred for thread, deferred in _deferring if thread is threading.current_thread()]
    if not own:
        raise KeyboardInterrupt
    own[-1].defer(signal.SIGINT, None, None)


def heed_signals() -> None:
    """Between two batches of an evaluation: stop all ranks where any of them has received a signal.

    All ranks call this together. It costs an exchange of one number, and nothing outside `immediate`.
    """
    if _heeding:
        number = int(current_world().max([_heeding[-1].number])[0])
        if number:
            _heeding[-1].deliver(number)


@contextmanager
def deferred_signals(*, is_alone: bool = True) -> Iterator[DeferredSignal]:
    """Defer signals within the context; only the main thread gets any, elsewhere `interrupt` alone is deferred.

    Args:
        is_alone: as for `DeferredSignal`.
    """
    deferred = DeferredSignal(is_alone=is_alone)
    entry = (threading.current_thread(), deferred)
    if threading.current_thread() is not threading.main_thread():
        _deferring.append(entry)
        try:
            yield deferred
        finally:
            _deferring.remove(entry)
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    # Whoever ignores a signal, or leaves SIGTERM to end the process, goes on doing so.
    taken = [number for number, handler in before.items() if callable(handler)]
    for number in taken:
        signal.signal(number, lambda signum, frame: deferred.defer(signum, frame, before[signal.Signals(signum)]))
    _deferring.append(entry)
    try:
        yield deferred
    finally:
        _deferring.remove(entry)
        for number in taken:
            signal.signal(number, before[number])

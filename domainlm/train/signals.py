"""Ctrl-C and SIGTERM while training: the step in work is finished and saved first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class DeferredSignal:
    """Remembers the first signal; a second one takes effect at once.

    Attributes:
        received: whether a signal waits.
    """

    def __init__(self) -> None:
        self.received = False
        self._is_immediate = False
        self._deliver: Callable[[], None] | None = None

    def deliver(self) -> None:
        """Let the waiting signal have the effect it would have had; returns where there is none."""
        if self._deliver is not None:
            self._deliver()

    @contextmanager
    def immediate(self) -> Iterator[None]:
        """Within the context signals take effect at once, one that waits already as well."""
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

        is_second, self.received, self._deliver = self.received, True, deliver
        if is_second or self._is_immediate:
            deliver()


@contextmanager
def deferred_signals() -> Iterator[DeferredSignal]:
    """Defer signals within the context; only the main thread can, elsewhere nothing is deferred."""
    deferred = DeferredSignal()
    if threading.current_thread() is not threading.main_thread():
        yield deferred
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    # Whoever ignores a signal, or leaves SIGTERM to end the process, goes on doing so.
    taken = [number for number, handler in before.items() if callable(handler)]
    for number in taken:
        signal.signal(number, lambda signum, frame: deferred.defer(signum, frame, before[signal.Signals(signum)]))
    try:
        yield deferred
    finally:
        for number in taken:
            signal.signal(number, before[number])

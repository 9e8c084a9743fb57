"""Long work can be cancelled between two pieces of it, where nothing is half done.

Whoever starts the work says whom to ask, and every loop that may take long asks by `check_cancelled()`: those that read
text, move a progress bar or wait for other processes. Work in other threads and processes asks nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SECONDS_BETWEEN_ASKING = 1.0


class _Asked:
    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._last = time.monotonic()

    def look(self) -> None:
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_ASKING:
            self._last = now
            self._ask()


_asked: ContextVar[_Asked | None] = ContextVar("asked", default=None)


@contextmanager
def cancellable(ask: Callable[[], None]) -> Iterator[None]:
    """Within the context, `check_cancelled` calls `ask` in this thread, about once a second.

    Args:
        ask: raises what shall end the work.
    """
    token = _asked.set(_Asked(ask))
    try:
        yield
    finally:
        _asked.reset(token)


@contextmanager
def uncancellable() -> Iterator[None]:
    """Within the context nobody is asked: what has begun there is done, or is done by several processes together."""
    token = _asked.set(None)
    try:
        yield
    finally:
        _asked.reset(token)


def check_cancelled() -> None:
    """Let what was asked for take effect; costs next to nothing, and nothing happens where nobody asks."""
    asked = _asked.get()
    if asked is not None:
        asked.look()

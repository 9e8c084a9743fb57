"""A clock that tests move by hand."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass for the watchdog and for heartbeat writers."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait

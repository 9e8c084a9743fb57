"""The small model, ready to be trained, and signal handlers that stay as they were."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from domainlm.parallel.device import Device

sys.path.insert(0, str(Path(__file__).parent))  # loop_bench, for the tests too
from loop_bench import Bench, Make


@pytest.fixture
def bench(make_model: Make, make_settings: Make, make_source: Make, make_objective: Make, cpu: Device) -> Bench:
    return Bench(make_model, make_settings, make_source(), make_objective(), cpu)


@pytest.fixture(autouse=True)
def _handlers_stay() -> Iterator[None]:
    """No test leaves a signal handler behind."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

"""Durations as they are printed."""

from __future__ import annotations

import pytest

from domainlm.study.duration import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.21, "3.2 s"), (59.97, "1 min 0 s"), (61.4, "1 min 1 s"), (3599.8, "1 h 0 min"), (1e6, "277 h 46 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text

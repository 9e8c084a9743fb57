"""Learning rates worked by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.recipe.optimizer_settings import ScheduleSettings
from domainlm.train.schedule import learning_rate


def _rates(num_steps: int, **settings: Any) -> list[float]:  # noqa: ANN401 - fields of several types
    return [learning_rate(step, num_steps, 1.0, ScheduleSettings(**settings)) for step in range(num_steps)]


def test_linear() -> None:
    assert _rates(10, warmup_share=0.2) == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


def test_cosine_to_a_floor() -> None:
    half = 0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi / 2))
    rates = _rates(8, warmup_share=0.0, decay="cosine", final_share=0.2)

    assert rates[0] == pytest.approx(1.0)
    assert rates[4] == pytest.approx(half)
    assert rates[7] == pytest.approx(0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * 7 / 8)))


def test_constant_after_warming_up() -> None:
    assert _rates(5, warmup_share=0.5, decay="constant") == pytest.approx([1 / 3, 2 / 3, 1.0, 1.0, 1.0])


@given(
    num_steps=st.integers(1, 200),
    warmup=st.floats(0, 1),
    final=st.floats(0, 1),
    decay=st.sampled_from(["linear", "cosine", "constant"]),
)
def test_rates_rise_then_fall_between_the_bounds(num_steps: int, warmup: float, final: float, decay: str) -> None:
    rates = _rates(num_steps, warmup_share=warmup, decay=decay, final_share=final)
    top = rates.index(max(rates))

    assert min(rates) > 0.0
    assert max(rates) <= 1.0 + 1e-12
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert all(later <= earlier + 1e-12 for earlier, later in zip(rates[top:], rates[top + 1 :], strict=False))

"""How many workers are too many for this process's cores."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from domainlm.recipe.schema import RuntimeSettings
from domainlm.study.choose_workers import choose_workers


@pytest.mark.parametrize(("cores", "is_told"), [({0}, True), ({0, 1}, False)])
def test_workers_are_told_of_the_cores_they_may_use_not_of_the_machines(
    cores: set[int], is_told: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores, raising=False)
    recipe = SimpleNamespace(runtime=RuntimeSettings(device="cpu", num_workers=2, num_threads=1))
    loaded = SimpleNamespace(recipe=recipe, path=Path("a.toml"))
    planned: Any = SimpleNamespace(
        resolved=SimpleNamespace(loaded=loaded, cells=()), store=SimpleNamespace(root=Path())
    )
    with caplog.at_level(logging.WARNING):
        assert choose_workers(planned, None, out=Path("out"), overrides=()) is not None
    assert ("2 workers share 1 cores" in caplog.text) == is_told

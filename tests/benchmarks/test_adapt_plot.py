"""The plot of the real experiment."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def plot(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("adapt_plot")


def _score(arm: str, dataset: str, seed: int, value: float, protocol: str = "conlleval entity") -> dict[str, Any]:
    facts = {"stage": "finetune", "split": "test", "metric": "f1", "protocol": protocol}
    return {**facts, "arm": arm, "dataset": dataset, "seed": seed, "value": value}


def _bits(arm: str, text: str, steps: int, value: float) -> dict[str, Any]:
    return {
        "stage": "lm-score",
        "split": "held-out",
        "metric": "bits_per_character",
        "arm": arm,
        "dataset": text,
        "steps": steps,
        "value": value,
    }


def test_a_gain_is_over_the_base_with_the_same_seed(plot: ModuleType) -> None:
    rows = [
        _score("a: none", "ships", 0, 0.50),
        _score("a: none", "ships", 1, 0.60),
        _score("b: more", "ships", 1, 0.63),
        _score("b: more", "ships", 0, 0.51),
        _score("b: more", "ships", 0, 0.99, protocol="sub-token entity"),
        _score("b: more", "ports", 0, 0.40),  # which the base has no score of
    ]
    gained = plot.gains(plot.f1_by_seed(rows), "a: none")
    assert list(gained) == ["b: more"]
    assert list(gained["b: more"]) == ["ships"]
    assert gained["b: more"]["ships"] == pytest.approx([1.0, 3.0])
    rows += [_score("a: none", "ports", 0, 0.40), _score("a: none", "ports", 1, 0.40)]  # of seed 0 alone, as b's
    gained = plot.gains(plot.f1_by_seed(rows), "a: none")
    assert gained["b: more"]["ships"] == pytest.approx([1.0])
    assert gained["b: more"]["ports"] == pytest.approx([0.0])


def test_bits_are_those_of_the_last_step(plot: ModuleType) -> None:
    rows = [
        _bits("b", "core/text", 0, 4.1),
        _bits("b", "core/text", 1800, 1.4),
        _bits("b", "core/text", 900, 1.3),
        _bits("a", "core/text", 0, 4.2),
    ]
    assert plot.bits_at_end(rows) == {"b": {"core/text": 1.4}}


def test_draws_arms_near_and_far(plot: ModuleType, tmp_path: Path) -> None:
    rows = [
        *(_score(arm, "ships", seed, value) for arm, value in (("a", 0.7), ("b", 0.71), ("e", 0.4)) for seed in (0, 1)),
        _bits("b", "core/text", 1800, 1.4),
        _bits("b", "core/text (general text)", 1800, 2.0),
    ]
    plot.draw(rows, tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text("utf-8")
    assert "−30.0" in drawn  # a comment of the text beside its outlines
    assert "F1 above that of a" in drawn

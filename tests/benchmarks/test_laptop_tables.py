"""What the benchmark of all tables takes out of a finished run."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

_REPORT = """# harbour

## Answer

- On cargoes, test F1 is 60.0.
- On harbours, test F1 is 50.0.

## Results

**Table 1.** F1.

## What the reference found: held or not held at this scale

Findings of Mariner 2020.

1. “Larger is better” (table 1): not held.

**Table 2.** The comparisons.
"""


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("laptop_tables")


def test_a_stage_is_counted_once_and_verdicts_are_taken_as_they_stand(tmp_path: Path, tables: ModuleType) -> None:
    stages = {"a": {"seconds": 30.2}, "b": {"seconds": 89.9}}
    (tmp_path / "cost.json").write_text(json.dumps({"stages": stages}))
    (tmp_path / "report.md").write_text(_REPORT)
    counted = {"a"}
    found = tables.collect("harbour", tmp_path, counted)
    assert (found["stages"], found["seconds"], found["is_complete"]) == (1, 90, True)
    assert counted == {"a", "b"}
    assert found["answer"] == ["On cargoes, test F1 is 60.0.", "On harbours, test F1 is 50.0."]
    assert found["verdicts"] == ["1. “Larger is better” (table 1): not held."]
    machine = {"date": "2026-11-26", "cpu": "some CPU", "cores": 2, "packages": {"torch": "2.13.0"}}
    assert "| harbour | 1 | 1.5 |" in tables.page({"machine": machine, "note": "", "runs": [found]})


def test_results_of_the_same_day_are_kept(tmp_path: Path, tables: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    del tables  # puts the scripts on the path
    measuring = importlib.import_module("measuring")
    monkeypatch.setattr(measuring, "RESULTS", tmp_path / "results")
    pages = [measuring.write_results("rate", {"machine": {"date": "2026-11-26"}}, text) for text in ("a", "b", "c")]
    assert [page.name for page in pages] == ["rate-2026-11-26.md", "rate-2026-11-26-2.md", "rate-2026-11-26-3.md"]
    assert [page.read_text() for page in pages] == ["a", "b", "c"]

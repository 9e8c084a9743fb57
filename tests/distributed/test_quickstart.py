"""The quickstart recipe as a whole, shortened, on a grid: the scores of one process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.grids, pytest.mark.slow, pytest.mark.timeout(600)]
_SHORT = (
    "seeds=[0]",
    "corpus.sample={num_documents=200, seed=0}",
    'study.axes={"pretraining.num_steps"=[0, 60]}',
    "finetuning.num_epochs=2",
    "finetuning.head.dropout=0.0",  # drawn otherwise on every grid
)


def scores(out: Path, *overrides: str) -> dict[tuple[str, ...], float]:
    """Run it; all pooled scores of the models, by what they are scores of."""
    settings = [word for each in (*_SHORT, *overrides) for word in ("--set", each)]
    command = [sys.executable, "-m", "domainlm", "run", "biomegatron/quickstart", "--out", str(out), *settings]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "leaked" not in done.stderr
    rows = json.loads((out / "results.json").read_text("utf-8"))["rows"]
    keys = ("stage", "dataset", "split", "metric", "protocol", "steps")
    return {tuple(str(row.get(key)) for key in keys): row["value"] for row in rows if not row.get("type")}


def test_a_grid_gives_the_scores_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("domainlm_biomegatron")
    expected = scores(tmp_path / "one")
    found = scores(tmp_path / "grid", "parallel.pipeline=2", "parallel.tensor=2")
    assert found.keys() == expected.keys()
    assert any(key[0] == "finetune" for key in found)
    for key, value in found.items():
        is_loss = key[0] == "lm-score"
        assert value == (pytest.approx(expected[key], rel=1e-3) if is_loss else pytest.approx(expected[key], abs=0.02))

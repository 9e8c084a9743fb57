"""What a training takes over from one that ended earlier."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.train.continuing import take_over_run


def _left_by(folder: Path, metrics: str, *, step: int) -> Path:
    """What a training to some step leaves."""
    (folder / "checkpoints" / f"step-{step:08}").mkdir(parents=True)
    (folder / "metrics.jsonl").write_text(metrics, encoding="utf-8")
    return folder


def test_checkpoints_and_metrics_are_taken(tmp_path: Path) -> None:
    earlier = _left_by(tmp_path / "earlier", "1\n2\n", step=2)
    take_over_run(earlier, tmp_path / "work")
    assert (tmp_path / "work" / "metrics.jsonl").read_text(encoding="utf-8") == "1\n2\n"
    assert (tmp_path / "work" / "checkpoints" / "step-00000002").is_dir()


@pytest.mark.parametrize("left", ["checkpoints", "model"])
def test_what_went_on_already_is_left_alone(left: str, tmp_path: Path) -> None:
    """Checkpoints go once the model is there; killed right after, the run is made again, and has all its lines."""
    earlier = _left_by(tmp_path / "earlier", "1\n2\n", step=2)
    work = _left_by(tmp_path / "work", "1\n2\n3\n4\n", step=4)
    if left == "model":
        (work / "checkpoints" / "step-00000004").rmdir()
        (work / "checkpoints").rmdir()
        (work / "model").mkdir()
        (work / "model" / "config.json").write_text("{}", encoding="utf-8")
    take_over_run(earlier, work)
    assert (work / "metrics.jsonl").read_text(encoding="utf-8") == "1\n2\n3\n4\n"
    assert not (work / "checkpoints" / "step-00000002").exists()

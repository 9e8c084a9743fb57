"""metrics.jsonl."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.errors import StorageError
from domainlm.train.metrics import MetricsLog


def _write(path: Path, steps: range) -> None:
    with MetricsLog(path, steps.start - 1) as log:
        for step in steps:
            log.write(step, {"loss": 1 / step})


def test_later_lines_are_cut_off(tmp_path: Path) -> None:
    _write(tmp_path / "a" / "metrics.jsonl", range(1, 8))
    _write(tmp_path / "b" / "metrics.jsonl", range(1, 6))
    _write(tmp_path / "b" / "metrics.jsonl", range(4, 8))

    text = (tmp_path / "a" / "metrics.jsonl").read_text()
    assert text.startswith('{"step": 1, "loss": 1.0}\n{"step": 2, "loss": 0.5}\n')
    assert (tmp_path / "b" / "metrics.jsonl").read_text() == text


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    _write(path, range(1, 4))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"step": 4, "lo')
    _write(path, range(4, 5))

    assert path.read_bytes().splitlines()[:3] == whole.splitlines()
    assert len(path.read_bytes().splitlines()) == 4


def test_lines_are_there_for_whoever_watches(tmp_path: Path) -> None:
    with MetricsLog(tmp_path / "metrics.jsonl", 0) as log:
        log.write(1, {"loss": 2.5})
        assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "loss": 2.5}\n'


def test_missing_lines_are_told(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    _write(path, range(1, 4))
    with pytest.raises(StorageError, match=r"(?s)shorter.*at least 4 lines.*remedy"):
        MetricsLog(path, 4)

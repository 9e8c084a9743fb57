"""Fixtures of the plugin's tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.api import ProblemLog

_DATA_MARKER = "SHA256SUMS"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real public data sets; the test is skipped where it is not at hand."""
    named = os.environ.get("DOMAINLM_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[4] / "shared" / "data"
    if not (folder / _DATA_MARKER).is_file():
        pytest.skip(f"needs the real data sets: set DOMAINLM_DATA to their folder (looked in {folder})")
    return folder


@pytest.fixture
def problems() -> ProblemLog:
    return ProblemLog()


@pytest.fixture
def skipping() -> ProblemLog:
    """Problems of a reader that is to skip damaged input."""
    return ProblemLog(skip_bad_input=True)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file below the test's folder."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file

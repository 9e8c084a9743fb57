"""The kernels of our own, as Triton interprets them: in a process of their own, since Triton asks but once."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).with_name("interpreted_kernels.py")


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs Triton, which is there on Linux only")
@pytest.mark.timeout(180)
def test_kernels_compute_what_plain_operations_do() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(_TESTS)],
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout

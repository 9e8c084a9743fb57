"""The profile counts every kernel once, in the part that it belongs to; and watching memory finds short peaks."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

_FOLDER = Path(__file__).parents[2] / "benchmarks"
_HELD_300_MB = (
    "held = bytearray(300 << 20); held[::4096] = b'x' * len(held[::4096]); del held; print(flush=True); input()"
)


@pytest.fixture
def profile_step(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(_FOLDER))
    return importlib.import_module("profile_step")


@pytest.mark.parametrize(
    ("chain", "part"),
    [
        (["aten::mm", "AddmmBackward0"], "matrix products of the layers"),
        (["aten::bmm", "aten::matmul", "_PlainAttention", "benchmark step"], "attention"),
        (["aten::mm", "autograd::engine::evaluate_function: _DecoderLossBackward"], "vocabulary head and loss"),
        (["aten::_fused_adamw_", "Optimizer.step#AdamW.step"], "gradient norm and AdamW"),
        (["aten::sum", "autograd::engine::evaluate_function: AddmmBackward0"], "gradients of biases"),
        (["benchmark step"], "Python and dispatch"),
    ],
)
def test_a_kernel_belongs_to_one_part(profile_step: ModuleType, chain: list[str], part: str) -> None:
    assert profile_step.part_of(chain) == part


def test_the_parts_of_a_step_are_all_of_it(profile_step: ModuleType) -> None:
    arguments = argparse.Namespace(threads=1, precision="bf16", steps=2, run="tiny:4x32")
    found = profile_step.run_shape(arguments)
    parts = found["seconds_of_parts"]
    assert sum(parts.values()) == pytest.approx(found["profiled_seconds_per_step"])
    expected = {"attention", "vocabulary head and loss", "dropout outside attention", "GELU", "embedding"}
    assert expected <= set(parts)
    assert found["tokens"] == 128


def test_a_peak_that_is_past_is_seen(profile_step: ModuleType) -> None:
    del profile_step  # puts the scripts on the path
    measuring = importlib.import_module("measuring")
    command = [sys.executable, "-c", _HELD_300_MB]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "\n"
    peak = measuring._Peak(process.pid)
    deadline = time.monotonic() + 40
    while peak._peak == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.communicate("\n")
    assert 300 * 2**20 < peak.stop() < 400 * 2**20

"""The GPU benchmark: refused without a GPU, and right as far as a CPU can tell."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from domainlm.model.config import ModelConfig
from domainlm.parallel.device import Device
from domainlm.plan.operations import step_operations

_FOLDER = Path(__file__).parents[2] / "benchmarks"
_TINY = ModelConfig(
    layers=1,
    hidden=32,
    heads=2,
    feed_forward=64,
    max_positions=32,
    architecture="megatron",
    dropout=0.1,
    vocabulary_size=100,
    padded_vocabulary_size=128,
)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(_FOLDER))
    return importlib.import_module("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_gpu_it_says_so() -> None:
    done = subprocess.run(
        [sys.executable, str(_FOLDER / "gpu.py")], capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 2
    assert "there is no CUDA device here" in done.stderr
    assert "Traceback" not in done.stderr


def test_peaks_are_dense_and_by_name(gpu: ModuleType) -> None:
    """NVIDIA's data sheets give 1,979 TFLOP/s with sparsity for the H100 SXM, 624 for the A100: half of them here."""
    assert gpu.peak_of("NVIDIA H100 80GB HBM3") == 989e12
    assert gpu.peak_of("NVIDIA A100-SXM4-80GB") == 312e12
    assert gpu.peak_of("NVIDIA H100 PCIe") == 756e12
    assert gpu.peak_of("NVIDIA H200 NVL") == 835e12
    assert gpu.peak_of("NVIDIA GB200") == 2500e12
    unknown = [
        "Quadro",
        "NVIDIA L40",
        "NVIDIA A10G",
        "NVIDIA RTX A1000",
        "NVIDIA GeForce RTX 4090 D",
        "A100 MIG 1g.5gb",
    ]
    assert [gpu.peak_of(name) for name in unknown] == [None] * len(unknown)


def test_a_step_is_counted_once(gpu: ModuleType) -> None:
    device = Device(torch_device=torch.device("cpu"), precision="bf16")
    found = gpu.measure("tiny", _TINY, device, micro_batch=2, max_tokens=16, steps=2)
    seconds = found.seconds_per_step["median"]
    assert found.tokens_per_second == pytest.approx(2 * 16 / seconds)
    assert found.operations_per_second == pytest.approx(step_operations(gpu.work_of(_TINY, 2, 16)) / seconds)


def test_the_micro_batch_fits(gpu: ModuleType) -> None:
    config = gpu.shape_of("core/large", 30_522, 0.1)
    sizes = [gpu.largest_micro_batch(config, 512, gigabytes * 1e9) for gigabytes in (8, 24, 80)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_what_is_measured_is_kept_when_the_next_size_is_cut_off(
    gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("measuring"), "RESULTS", tmp_path)
    content = {
        "machine": {"date": "2026-11-27", "python": "3.11", "packages": {}},
        "device": "NVIDIA H200",
        "peak_operations_per_second": 989e12,
        "max_tokens": 512,
        "compiled": True,
        "deterministic": True,
    }
    times = {"median": 0.25, "lowest": 0.25, "highest": 0.25}

    def cut_off() -> Iterator[object]:
        for number in (1, 2):
            yield gpu.Speed(f"size-{number}", "bf16", 0.1, 10**8, 64, 2, times, 9.0, 1e5, 4e14, 5e14, 10.0, 11.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gpu.keep(cut_off(), content)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpu-2026-11-27.json", "gpu-2026-11-27.md"]
    kept = json.loads((tmp_path / "gpu-2026-11-27.json").read_text("utf-8"))
    assert [row["size"] for row in kept["rows"]] == ["size-1", "size-2"]
    assert "| size-2 |" in (tmp_path / "gpu-2026-11-27.md").read_text("utf-8")

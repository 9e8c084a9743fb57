"""Choosing a device."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from domainlm.errors import MachineError
from domainlm.parallel.device import Device, choose_device

_COUNT_FAULTS = """
import resource
import torch
from domainlm.parallel.device import Device, choose_device

choose_device("cpu", "fp32", 1)
def touch():
    torch.ones(16 * 2**20)
for _ in range(12):  # until the heap has found its size
    touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

_COUNT_KERNEL_BYTES = """
import os
import torch
from domainlm.parallel.device import Device, choose_device

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

device = choose_device("cpu", "bf16", 1)
weights = torch.ones(64, 64)
with device.autocast():
    torch.ones(8, 64) @ weights
    before = resident()
    for rows in range(9, 900):
        torch.ones(rows, 64) @ weights
print(resident() - before)
"""


@pytest.fixture
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("_no_gpu")
def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused() -> None:
    assert choose_device("auto", "fp32").torch_device.type == "cpu"
    with pytest.raises(MachineError, match=r"(?s)no CUDA device.*given:   cuda.*remedy"):
        choose_device("cuda", "fp32")


def test_a_gpu_without_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Old GPU")
    with pytest.raises(MachineError, match=r"(?s)Old GPU has no bfloat16.*allowed: fp32"):
        choose_device("cuda", "bf16")
    assert choose_device("cuda", "fp32").torch_device.type == "cuda"


@pytest.mark.usefixtures("_no_gpu")
def test_threads_are_set_where_given() -> None:
    before = torch.get_num_threads()
    try:
        choose_device("cpu", "fp32", before + 1)
        assert torch.get_num_threads() == before + 1
        choose_device("cpu", "fp32")
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.usefixtures("_no_gpu")
@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_have_the_precision(precision: str, dtype: torch.dtype) -> None:
    with choose_device("cpu", precision).autocast():  # type: ignore[arg-type]
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.skipif(sys.platform != "linux", reason="the setting is glibc's")
@pytest.mark.parametrize("preset", [True, False])
def test_freed_memory_is_kept_unless_the_user_has_chosen(preset: bool) -> None:
    """64 MiB are 16,384 pages; handed back and mapped anew, each of them faults every time."""
    environment = {"MALLOC_ARENA_MAX": "4"} if preset else {}
    done = subprocess.run(
        [sys.executable, "-c", _COUNT_FAULTS],
        env={"PYTHONPATH": ":".join(sys.path), "THP_MEM_ALLOC_ENABLE": "0", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    num_faults = int(done.stdout)
    assert num_faults > 50 if preset else num_faults < 50


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_kernels_of_many_shapes_are_not_all_kept_unless_the_user_has_chosen() -> None:
    def grown(**environment: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", _COUNT_KERNEL_BYTES],
            env={"PYTHONPATH": ":".join(sys.path), **environment},
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        )
        return int(done.stdout)

    kept = grown(DNNL_PRIMITIVE_CACHE_CAPACITY="1024")
    if kept < 2**24:
        pytest.skip("products of bf16 have no kernels to keep on this processor")
    assert grown() < 0.9 * kept


def test_a_gpu_trains_by_kernels_that_give_the_same_bytes() -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    gpu = Device(torch_device=torch.device("cuda"), precision="fp32")
    with gpu.training():
        assert torch.are_deterministic_algorithms_enabled()
    with replace(gpu, is_deterministic=False).training():
        assert not torch.are_deterministic_algorithms_enabled()
    with Device(torch_device=torch.device("cpu"), precision="fp32").training():
        assert not torch.are_deterministic_algorithms_enabled()


def test_an_operation_without_such_a_kernel_says_what_to_do() -> None:
    gpu = Device(torch_device=torch.device("cuda"), precision="fp32")
    with pytest.raises(MachineError, match="put_ cannot give the same bytes each time") as raised, gpu.training():
        torch.zeros(4).put_(torch.tensor([1, 1]), torch.ones(2), accumulate=False)
    assert raised.value.where == "runtime.deterministic"
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError, match="something else"), gpu.training():
        raise RuntimeError("something else")

"""Energy is counted where counters can be read, over their wrapping around, and is not known elsewhere."""

from __future__ import annotations

import ctypes
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import pytest

from domainlm.study import energy
from domainlm.study.energy import EnergyMeter, gpu_joules


def counter(folder: Path, name: str, value: int) -> None:
    place = folder / name
    place.mkdir(exist_ok=True)
    (place / "energy_uj").write_text(f"{value}\n")
    (place / "max_energy_range_uj").write_text("10000000\n")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "_NVML", "no-such-library.so")


def test_packages_are_added_up_and_their_parts_left_out(tmp_path: Path) -> None:
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):
        counter(tmp_path, name, 1_000_000)
    with EnergyMeter(tmp_path) as meter:
        counter(tmp_path, "intel-rapl:0", 3_000_000)
        counter(tmp_path, "intel-rapl:1", 1_500_000)
        counter(tmp_path, "intel-rapl:0:0", 9_000_000)
    assert meter.joules == {"processors": pytest.approx(2.5)}


def test_a_counter_that_begins_again(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", 9_000_000)
    with EnergyMeter(tmp_path) as meter:
        counter(tmp_path, "intel-rapl:0", 500_000)
    assert meter.joules == {"processors": pytest.approx(1.5)}  # 1 J up to the range of 10 J, and 0.5 J


def test_nothing_to_read_is_not_known(tmp_path: Path) -> None:
    with EnergyMeter(tmp_path) as meter:
        pass
    assert meter.joules == {}
    assert gpu_joules() is None


class Reference(Protocol):
    """What `ctypes.byref` gives."""

    _obj: ctypes.c_ulonglong


def fake_nvml() -> SimpleNamespace:
    """Two devices; each reading is 1,000 mJ after the one before."""
    readings = itertools.count(1000, 1000)

    def give(where: Reference, value: int) -> int:
        where._obj.value = value
        return 0

    return SimpleNamespace(
        nvmlInit_v2=lambda: 0,
        nvmlDeviceGetCount_v2=lambda count: give(count, 2),
        nvmlDeviceGetHandleByIndex_v2=lambda index, handle: give(handle, index + 1),
        nvmlDeviceGetTotalEnergyConsumption=lambda _, millijoules: give(millijoules, next(readings)),
    )


def test_gpus_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = fake_nvml()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    with EnergyMeter(tmp_path) as meter:
        pass
    assert meter.joules == {"GPUs": pytest.approx(4.0)}  # (3 + 4) - (1 + 2)

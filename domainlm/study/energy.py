"""Energy that this machine used meanwhile, where it can be read: RAPL counters of processors, NVML's of GPUs.

Both count all that the machine does, other programs' work included, and neither counts memory, disks, fans or other
machines. Where nothing can be read (most users may not read RAPL), the energy is not known, and that is what is said.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_POWERCAP = Path("/sys/class/powercap")
_NVML = "libnvidia-ml.so.1"
_SAMPLE_SECONDS = 30.0
"""A RAPL counter of 262 kJ begins again after 262 s at 1,000 W, so it is read more often than that."""


@dataclass(slots=True)
class EnergyMeter:
    """Measures from entering to leaving a `with`.

    Attributes:
        powercap: where the kernel shows RAPL counters.
        joules: energy by source ("processors", "GPUs"); without those that cannot be read.
    """

    powercap: Path = _POWERCAP
    joules: dict[str, float] = field(default_factory=dict)
    _last: dict[Path, int] = field(default_factory=dict)
    _microjoules: int = 0
    _gpu_start: float | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Start."""
        self._last = _read_rapl(self.powercap)
        self._gpu_start = gpu_joules()
        if self._last:
            threading.Thread(target=self._watch, name="energy", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and fill `joules`."""
        self._ended.set()
        if self._last:
            self._sample()
            self.joules["processors"] = self._microjoules / 1e6
        gpu_end = gpu_joules()
        if self._gpu_start is not None and gpu_end is not None:
            self.joules["GPUs"] = gpu_end - self._gpu_start

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        now = _read_rapl(self.powercap)
        for path, value in now.items():
            before = self._last.get(path, value)
            self._microjoules += value - before if value >= before else value + _range_of(path) - before
        self._last.update(now)


def gpu_joules() -> float | None:
    """Joules that all GPUs have used since their driver was loaded; None where that cannot be read."""
    try:
        library = ctypes.CDLL(_NVML)
        if library.nvmlInit_v2() != 0:
            return None
        count = ctypes.c_uint()
        total = 0.0
        if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0 or count.value == 0:
            return None
        for index in range(count.value):
            handle, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
            found = library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle))
            if found != 0 or library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules)) != 0:
                return None
            total += millijoules.value / 1000
    except (OSError, AttributeError):
        return None
    return total


def _read_rapl(powercap: Path) -> dict[Path, int]:
    """Counters of whole processor packages, in microjoules; none where they may not be read."""
    found: dict[Path, int] = {}
    for folder in sorted(powercap.glob("*-rapl:[0-9]*")):
        if folder.name.count(":") > 1:  # a part of a package, counted with it
            continue
        try:
            found[folder] = int((folder / "energy_uj").read_text())
        except (OSError, ValueError):
            return {}
    return found


def _range_of(folder: Path) -> int:
    try:
        return int((folder / "max_energy_range_uj").read_text())
    except (OSError, ValueError):
        return 0

"""The machine: processors, memory and disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from domainlm.cli.doctor.facts import Fact
from domainlm.process import usable_cores

_SECTION = "machine"
_GIB = 2**30
_LITTLE_DISK_BYTES = 2 * _GIB
_CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "bf16", "sve")
"""What /proc/cpuinfo calls the instruction sets that matrix products and bfloat16 gain from (x86 and ARM)."""


def machine_facts(folder: Path) -> Iterator[Fact]:
    """What this machine has to compute with.

    Args:
        folder: where a run would write; its disk is asked.
    """
    yield Fact(_SECTION, "cores", _cores())
    flags = instruction_sets(Path("/proc/cpuinfo"))
    if flags:
        yield Fact(_SECTION, "instruction sets", " ".join(flags))
    memory = memory_at_hand(Path("/proc/meminfo"), Path("/sys/fs/cgroup"))
    if memory is not None:
        yield Fact(_SECTION, "memory at hand", f"{memory / _GIB:.1f} GiB")
    free = shutil.disk_usage(folder).free
    remedy = "free some space, or choose another disk with --out" if free < _LITTLE_DISK_BYTES else ""
    yield Fact(_SECTION, "disk at hand", f"{free / _GIB:.1f} GiB in {folder.resolve()}", remedy)


def _cores() -> str:
    total, usable = os.cpu_count() or 1, usable_cores()
    return str(total) if usable == total else f"{usable} of {total} may be used"


def instruction_sets(cpuinfo: Path) -> list[str]:
    """Those of `_CPU_FLAGS` that the first processor has; none where the system does not tell."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = next(
        (line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features"))), []
    )
    return [flag for flag in _CPU_FLAGS if flag in found]


def memory_at_hand(meminfo: Path, cgroup: Path) -> int | None:
    """Bytes that can still be taken: what the system says is available, or less where a container's limit is lower."""
    amounts = [amount for amount in (_available(meminfo), _left_in_container(cgroup)) if amount is not None]
    return min(amounts, default=None)


def _available(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    amounts = [line.split() for line in lines if line.startswith("MemAvailable:")]
    return int(amounts[0][1]) * 1024 if amounts else None


def _left_in_container(cgroup: Path) -> int | None:
    try:
        limit = (cgroup / "memory.max").read_text(encoding="utf-8").strip()
        used = (cgroup / "memory.current").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return max(0, int(limit) - int(used)) if limit.isdecimal() and used.isdecimal() else None

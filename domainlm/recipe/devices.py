"""What there is to compute on, found without torch, so that recipes are checked quickly."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Literal

from domainlm.process import launched

_MIB = 2**20
_SECONDS_TO_ANSWER = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """What is at hand.

    Attributes:
        kind: "cuda" or "cpu". A CPU is one device: its cores are threads of one rank.
        number: devices; on a CPU, or where ranks were launched already, ranks.
        memory_bytes: of the smallest GPU; None on a CPU or where it is not known.
        is_launched: the ranks are running, so that the grid must have exactly their number.
    """

    kind: Literal["cpu", "cuda"]
    number: int
    memory_bytes: int | None = None
    is_launched: bool = False

    @property
    def description(self) -> str:
        """For messages."""
        if self.is_launched:
            return f"{self.number} ranks were launched"
        return f"{self.number} GPUs" if self.kind == "cuda" else "one CPU"


def devices_at_hand(
    kind: Literal["auto", "cpu", "cuda"], environment: MutableMapping[str, str] | None = None
) -> Devices:
    """The GPUs of this machine (those that CUDA_VISIBLE_DEVICES leaves) or its CPU; or the ranks that were launched.

    Raises:
        MachineError: ranks seem to be launched, but a variable of the launcher does not hold what it should.
    """
    environment = os.environ if environment is None else environment
    memories = [] if kind == "cpu" else _gpu_memories(environment)
    found: Literal["cpu", "cuda"] = "cuda" if memories or kind == "cuda" else "cpu"
    memory = min(memories) if memories else None
    here = launched(environment)
    if here is not None:
        return Devices(kind=found, number=here.size, memory_bytes=memory, is_launched=True)
    return Devices(kind=found, number=max(1, len(memories)), memory_bytes=memory)


def _gpu_memories(environment: Mapping[str, str]) -> list[int]:
    """Bytes of each visible GPU's memory, as its driver says; empty without a driver."""
    command = shutil.which("nvidia-smi")
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if command is None or (visible is not None and visible.strip() in {"", "-1"}):
        return []
    try:
        done = subprocess.run(  # noqa: S603 - the driver's own tool, no input of anybody's
            [command, "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS_TO_ANSWER,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    memories = [int(line) * _MIB for line in done.stdout.split() if line.isdecimal()]
    return memories if visible is None else memories[: len(visible.split(","))]

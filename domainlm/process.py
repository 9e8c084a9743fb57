"""What this process is: by itself or, started by torchrun or Slurm's srun, one rank of several; and its cores.

torchrun says so in RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. srun has variables of its own, from which
the same ones are made (https://slurm.schedmd.com/srun.html, "output environment variables").
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from domainlm.errors import MachineError

TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""The variables that say it, all of them: schedulers set one or the other for reasons of their own."""
_FIRST_PORT, _NUM_PORTS = 20_000, 10_000  # below the ports that Linux gives to connections, 32,768 to 60,999
_NODES = re.compile(r"[^,\[\]]*(?:\[[^\]]*\][^,\[\]]*)*")


@dataclass(frozen=True, slots=True)
class Launched:
    """This process is one rank of several.

    Attributes:
        rank: world rank.
        size: number of ranks.
        by: "torchrun" or "srun".
    """

    rank: int
    size: int
    by: str


def launched(environment: MutableMapping[str, str] | None = None) -> Launched | None:
    """Whether this process was launched with others; None where it runs by itself.

    Sets torchrun's variables where srun started it. A world of one needs no others: it counts as running by itself.

    Args:
        environment: that of the process where None.

    Raises:
        MachineError: a variable does not hold what it should.
    """
    found = os.environ if environment is None else environment
    by = "torchrun"
    if not all(name in found for name in TORCHRUN):
        # In a batch script outside srun SLURM_PROCID and SLURM_NTASKS are set too, but this one is not.
        if "SLURM_PROCID" not in found or _number(found, "SLURM_STEP_NUM_TASKS", "1") <= 1:
            return None
        found.update(_from_slurm(found))
        by = "srun"
    rank, size = _number(found, "RANK"), _number(found, "WORLD_SIZE")
    return Launched(rank, size, by) if size > 1 else None


def is_first_rank() -> bool:
    """Whether this process is the one to speak: by itself, or rank 0 of those that were launched."""
    here = launched()
    return here is None or here.rank == 0


def usable_cores() -> int:
    """Cores that this process may use; a scheduler or a container may have left it some of the machine's."""
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _from_slurm(found: Mapping[str, str]) -> dict[str, str]:
    nodes = found.get("SLURM_STEP_NODELIST") or found.get("SLURM_JOB_NODELIST") or "localhost"
    port = _FIRST_PORT + (_number(found, "SLURM_JOB_ID", "0") * 7 + _number(found, "SLURM_STEP_ID", "0")) % _NUM_PORTS
    return {
        "RANK": str(_number(found, "SLURM_PROCID")),
        "WORLD_SIZE": str(_number(found, "SLURM_STEP_NUM_TASKS")),
        "LOCAL_RANK": str(_number(found, "SLURM_LOCALID", "0")),
        "MASTER_ADDR": found.get("MASTER_ADDR") or next(expand_nodes(nodes)),
        "MASTER_PORT": found.get("MASTER_PORT") or str(port),
    }


def expand_nodes(text: str) -> Iterator[str]:
    """The hosts of a Slurm node list: "gpu[08-10,12],login" is gpu08, gpu09, gpu10, gpu12 and login.

    Raises:
        MachineError: it is no such list.
    """
    for word in _NODES.findall(text):
        parts = re.split(r"\[([^\]]*)\]", word)
        choices = [[part] if place % 2 == 0 else list(_numbers(part, text)) for place, part in enumerate(parts)]
        if word:
            yield from map("".join, itertools.product(*choices))


def _numbers(part: str, text: str) -> Iterator[str]:
    for piece in part.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", piece.strip())
        if match is None:
            raise MachineError(
                "not a list of nodes", where="SLURM_JOB_NODELIST", given=text, allowed='for example "node[01-04,07]"'
            )
        first, last = match[1], match[2] or match[1]
        yield from (f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1))


def _number(found: Mapping[str, str], name: str, default: str | None = None) -> int:
    text = found.get(name, default)
    if text is None or not text.isdecimal():
        raise MachineError(
            "this process seems to be one rank of several, but a variable of its launcher is missing or no number",
            where=name,
            given=text,
            remedy="start it with torchrun or srun, or unset RANK, WORLD_SIZE and SLURM_PROCID",
        )
    return int(text)

"""Which workers make the stages of a run."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from domainlm.errors import RecipeError
from domainlm.process import launched, usable_cores
from domainlm.recipe.devices import devices_at_hand
from domainlm.study.cluster import ClusterWorkers
from domainlm.study.plan import PlannedRun
from domainlm.study.workers import LocalWorkers, StageCommand, Workers

_LOG = logging.getLogger(__name__)
WorkersAsked = int | Literal["slurm"] | None
"""A number, "slurm", or None for what the recipe says."""


def choose_workers(planned: PlannedRun, asked: WorkersAsked, *, out: Path, overrides: Sequence[str]) -> Workers | None:
    """The workers; None where this process is to make the stages one after the other.

    Raises:
        RecipeError: more workers than GPUs, or workers where ranks were launched.
        MachineError: there is no cluster here, or no submitit.
    """
    runtime = planned.resolved.loaded.recipe.runtime
    command = StageCommand(
        recipe=planned.resolved.loaded.path, out=out, store=planned.store.root, overrides=tuple(overrides)
    )
    wanted = runtime.num_workers if asked is None else asked
    if launched() is not None:
        if wanted not in (None, 1):
            raise RecipeError("launched ranks work on one stage at a time", where="workers", given=wanted, allowed="1")
        return None
    if wanted == "slurm":
        cluster = ClusterWorkers(command, runtime.slurm)
        cluster.check()
        return cluster
    devices = devices_at_hand(runtime.device)
    ranks = max((cell.grid.degrees.world_size for cell in planned.resolved.cells), default=1)
    most = devices.number if ranks == 1 else 1
    number = (most if devices.kind == "cuda" else 1) if wanted is None else int(wanted)
    if number == 1:
        return None
    if devices.kind == "cuda" and number > most:
        raise RecipeError(
            "more workers than there are GPUs for them",
            where="runtime.num_workers",
            given=number,
            allowed=f"at most {most}: {devices.number} GPU(s), and cells that train on {ranks}",
        )
    cores = usable_cores()
    if devices.kind == "cpu" and number * (runtime.num_threads or cores) > cores:
        _LOG.warning("%d workers share %d cores: set runtime.num_threads to give each its own", number, cores)
    return LocalWorkers(command, number, _names(devices.number) if devices.kind == "cuda" else ())


def _names(number: int) -> list[str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else [str(place) for place in range(number)]

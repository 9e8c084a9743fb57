"""The grid of a recipe: "auto" degrees chosen, and everything that forbids it said before any rank starts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from domainlm.errors import RecipeError
from domainlm.plan.choose import Wish, choose
from domainlm.plan.limits import obstacle
from domainlm.plan.work import Degrees, Work
from domainlm.process import usable_cores
from domainlm.recipe.devices import Devices
from domainlm.recipe.parallel_settings import ParallelSettings

_LOG = logging.getLogger(__name__)
_TABLE = "parallel"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedGrid:
    """The grid of one cell.

    Attributes:
        degrees: its sizes.
        reason: why these, where the recipe leaves one to be chosen; empty where it gives them all.
    """

    degrees: Degrees
    reason: str = ""


def resolve_grid(settings: ParallelSettings, works: Sequence[tuple[str, Work]], devices: Devices) -> ResolvedGrid:
    """Choose what is "auto" and check the rest.

    Args:
        settings: the recipe's `[parallel]`.
        works: the phases' steps, each with the place of its settings for messages; all must be able to run,
            and the first decides between what remains of "auto".
        devices: at hand.

    Raises:
        RecipeError: a grid that cannot run one of the steps, with the arithmetic and a remedy.
    """
    given = {"data": settings.data, "pipeline": settings.pipeline, "tensor": settings.tensor}
    wish = Wish(**{key: degree for key, degree in given.items() if degree != "auto"})
    if "auto" in given.values():
        also = [work for _, work in works[1:]]
        choice = choose(works[0][1], devices.number, devices.memory_bytes, wish, also)
        if choice.degrees is None:
            raise RecipeError(choice.reason, where=_TABLE, allowed=f"{devices.description} are to be divided")
        grid = ResolvedGrid(degrees=choice.degrees, reason=choice.reason)
    else:
        grid = ResolvedGrid(degrees=Degrees(**{key: int(degree) for key, degree in given.items()}))
    _check_devices(grid.degrees, devices)
    for where, work in works:
        check_grid(work, grid.degrees, where)
    return grid


def check_grid(work: Work, degrees: Degrees, where: str) -> None:
    """Raise `RecipeError` where a grid cannot run a step; `where` is the place of the step's settings."""
    found = obstacle(work, degrees)
    if found is not None:
        raise RecipeError(
            found.problem,
            where=f"{where} on {degrees}: {_TABLE}.{found.key}",
            given=found.given,
            allowed=found.allowed,
            remedy=found.remedy,
        )


def _check_devices(degrees: Degrees, devices: Devices) -> None:
    world_size = degrees.world_size
    if devices.is_launched and world_size != devices.number:
        raise RecipeError(
            "the grid does not have as many ranks as were launched",
            where=_TABLE,
            given=f"{degrees} = {world_size} ranks",
            allowed=f"{devices.number} ranks",
            remedy=f'launch {world_size} ranks, or set parallel.data = "auto"',
        )
    if devices.kind == "cuda" and not devices.is_launched and world_size > devices.number:
        raise RecipeError(
            "the grid has more ranks than this machine has GPUs",
            where=_TABLE,
            given=f"{degrees} = {world_size} ranks",
            allowed=f"at most {devices.number}",
            remedy="lower a degree, or launch ranks on several machines with torchrun or srun",
        )
    num_cores = usable_cores()
    if devices.kind == "cpu" and not devices.is_launched and world_size > num_cores:
        _LOG.warning("%d ranks share %d cores: right, but slower than one rank for each core", world_size, num_cores)

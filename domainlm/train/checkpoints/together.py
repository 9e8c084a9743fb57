"""Ranks that do something together fail together: each hears of an error of any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domainlm.errors import StorageError
from domainlm.parallel.world import World


def all_or_none(world: World, work: Callable[[], Any]) -> list[Any]:
    """Call `work` on every rank; returns what it gave on each, in order of rank.

    Args:
        world: the ranks, all of which call this.
        work: gives a JSON value.

    Raises:
        Exception: what `work` raised on this rank.
        StorageError: it failed on another one.
    """
    error: Exception | None = None
    value: Any = None
    try:
        value = work()
    except Exception as raised:  # noqa: BLE001 - raised again, once the others know
        error = raised
    outcomes = world.gather({"value": value, "error": None if error is None else str(error)})
    if error is not None:
        raise error
    failed = [(rank, outcome["error"]) for rank, outcome in enumerate(outcomes) if outcome["error"] is not None]
    if failed:
        rank, text = failed[0]
        raise StorageError(f"rank {rank} of {world.size} failed: {text}", where="checkpoint")
    return [outcome["value"] for outcome in outcomes]

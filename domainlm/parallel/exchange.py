"""Handing Python objects from rank 0 to the ranks of the same run."""

from __future__ import annotations

from typing import Any

from torch import distributed

from domainlm.parallel.world import World


def broadcast_object(world: World, value: Any = None) -> Any:  # noqa: ANN401 - any object that can be pickled
    """What rank 0 passes, on every rank. It waits as long as rank 0 takes.

    It is pickled, as by multiprocessing between a process and its children: the ranks of one run are one program, on
    connections that they made among themselves.
    """
    if not world.is_joined:
        return value
    held = [value]
    distributed.broadcast_object_list(held, src=0, group=world.group("world"))
    return held[0]

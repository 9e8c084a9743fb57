"""The cheapest grid that fits: replicas first, then pipeline stages, then divided matrices.

In this order the communication grows: once a step, once a micro-batch, twice a layer each way. On 8 H100, Megatron-LM's
own runs of BERT-large take 0.45 s a step as 4 replicas of 2 stages and 1.75 s with matrices divided over 4 ranks (the
golden values of its functional tests).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from domainlm.plan.limits import Obstacle, obstacle
from domainlm.plan.memory import fullest
from domainlm.plan.work import Degrees, Work

_GIB = 2**30
_MEMORY_SHARE = 0.9
"""Of a device, as much is planned for; the rest goes to the runtime, to kernels' buffers and to gaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A grid, and why.

    Attributes:
        degrees: the grid; None where none fits.
        reason: in one or two sentences.
    """

    degrees: Degrees | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is fixed beforehand; None leaves it to the choice."""

    data: int | None = None
    pipeline: int | None = None
    tensor: int | None = None


def choose(
    work: Work,
    num_devices: int,
    memory_bytes: float | None,
    wish: Wish | None = None,
    also: Sequence[Work] = (),
) -> Choice:
    """Choose a grid of at most `num_devices` ranks; the more of them it can use, the better.

    Args:
        work: the step.
        num_devices: at hand.
        memory_bytes: of each device; None takes any amount.
        wish: degrees that are given.
        also: further steps of the same run, which the grid must be able to take.
    """
    wish = wish or Wish()
    limit = None if memory_bytes is None else memory_bytes * _MEMORY_SHARE
    too_large: list[Degrees] = []
    obstacles: list[tuple[Degrees, Obstacle]] = []
    for num_ranks in range(num_devices, 0, -1):
        for degrees in _cheapest_first(num_ranks, wish):
            hindrance = next(filter(None, (obstacle(each, degrees) for each in (work, *also))), None)
            if hindrance is not None:
                obstacles.append((degrees, hindrance))
            elif limit is not None and fullest(work, degrees).total > limit:
                too_large.append(degrees)
            else:
                return Choice(degrees=degrees, reason=_reason(work, degrees, num_devices, memory_bytes, too_large))
    return Choice(degrees=None, reason=_no_grid(work, memory_bytes, too_large, obstacles))


def _cheapest_first(num_ranks: int, wish: Wish) -> Iterator[Degrees]:
    """Every grid of so many ranks: tensor degrees from 1, for each of them pipeline degrees from 1."""
    for tensor in range(1, num_ranks + 1):
        for pipeline in range(1, num_ranks // tensor + 1):
            data, rest = divmod(num_ranks, tensor * pipeline)
            degrees = Degrees(data=data, pipeline=pipeline, tensor=tensor)
            given = (wish.data in {None, data}, wish.pipeline in {None, pipeline}, wish.tensor in {None, tensor})
            if not rest and all(given):
                yield degrees


def _reason(
    work: Work, degrees: Degrees, num_devices: int, memory_bytes: float | None, too_large: list[Degrees]
) -> str:
    parts = []
    limit = None if memory_bytes is None else memory_bytes * _MEMORY_SHARE
    unused = num_devices - degrees.world_size
    if degrees.pipeline == degrees.tensor == 1:
        parts.append(
            "one device is at hand"
            if degrees.world_size == num_devices == 1
            else "the model fits on one device, and replicas talk least: once a step"
        )
    elif too_large and memory_bytes is not None:
        needed = fullest(work, too_large[0])
        parts.append(
            f"{too_large[0]} would need {needed.total / _GIB:.1f} GiB on a rank, and {_MEMORY_SHARE:.0%} of "
            f"{memory_bytes / _GIB:.0f} GiB are planned for; after replicas, pipeline stages talk least (once a "
            "micro-batch), divided matrices most (twice a layer each way)"
        )
    else:
        parts.append("the cheapest grid in communication that these degrees and this batch allow")
    if too_large and limit is not None and not work.checkpoint_every:
        recomputing = replace(work, checkpoint_every=1)
        fits = next((each for each in too_large if fullest(recomputing, each).total <= limit), None)
        if fits is not None:
            parts.append(f'with parallel.activation_checkpointing = "every_layer", {fits} would fit as well')
    if unused:
        parts.append(f"{unused} of {num_devices} devices stay idle: no grid of more ranks divides this batch and model")
    return "; ".join(parts)


def _no_grid(
    work: Work, memory_bytes: float | None, too_large: list[Degrees], obstacles: list[tuple[Degrees, Obstacle]]
) -> str:
    if too_large and memory_bytes is not None:
        leanest = min(too_large, key=lambda degrees: fullest(work, degrees).total)
        needed = fullest(work, leanest).total / _GIB
        recomputing = fullest(replace(work, checkpoint_every=1), leanest).total / _GIB
        return (
            f"no grid fits: the leanest, {leanest}, needs {needed:.1f} GiB on a rank of {memory_bytes / _GIB:.0f} GiB "
            f'({recomputing:.1f} with parallel.activation_checkpointing = "every_layer"); lower '
            "pretraining.num_sequences_per_micro_batch, or use more devices"
        )
    if obstacles:
        degrees, hindrance = obstacles[0]
        return f"no grid can run this step; {degrees}: {hindrance.problem} ({hindrance.given}); {hindrance.remedy}"
    return "no grid has these degrees on so few devices"

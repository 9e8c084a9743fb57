"""The cheapest grid that fits: replicas first, then pipeline stages, then divided matrices.

In this order the communication grows: once a step, once a micro-batch, twice a layer each way. On 8 H100, Megatron-LM's
own runs of BERT-large take 0.45 s a step as 4 replicas of 2 stages and 1.75 s with matrices divided over 4 ranks (the
golden values of its functional tests).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

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


class _Hindered(NamedTuple):
    """A grid that cannot run one of the steps."""

    degrees: Degrees
    work: Work
    obstacle: Obstacle

    def __str__(self) -> str:
        found = self.obstacle
        return f"{found.problem} ({found.given}); {found.remedy}"


@dataclass(frozen=True, slots=True)
class _PassedOver:
    """Grids that come before the choice, cheapest first, and that it cannot be."""

    too_large: list[Degrees] = field(default_factory=list)
    hindered: list[_Hindered] = field(default_factory=list)


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
    passed = _PassedOver()
    for num_ranks in range(num_devices, 0, -1):
        for degrees in _cheapest_first(num_ranks, wish):
            hindered = _hindrance((work, *also), degrees)
            if hindered is not None:
                passed.hindered.append(hindered)
            elif limit is not None and fullest(work, degrees).total > limit:
                passed.too_large.append(degrees)
            else:
                reason = _reason(work, degrees, num_devices, memory_bytes, passed)
                return Choice(degrees=degrees, reason="; ".join([reason, *_too_large_later(also, degrees, limit)]))
    return Choice(degrees=None, reason=_no_grid(work, memory_bytes, passed))


def _hindrance(works: Sequence[Work], degrees: Degrees) -> _Hindered | None:
    """The first of the steps that the grid cannot run, and why."""
    for work in works:
        found = obstacle(work, degrees)
        if found is not None:
            return _Hindered(degrees, work, found)
    return None


def _cheapest_first(num_ranks: int, wish: Wish) -> Iterator[Degrees]:
    """Every grid of so many ranks: tensor degrees from 1, for each of them pipeline degrees from 1."""
    for tensor in range(1, num_ranks + 1):
        for pipeline in range(1, num_ranks // tensor + 1):
            data, rest = divmod(num_ranks, tensor * pipeline)
            degrees = Degrees(data=data, pipeline=pipeline, tensor=tensor)
            given = (wish.data in {None, data}, wish.pipeline in {None, pipeline}, wish.tensor in {None, tensor})
            if not rest and all(given):
                yield degrees


def _reason(work: Work, degrees: Degrees, num_devices: int, memory_bytes: float | None, passed: _PassedOver) -> str:
    parts = []
    too_large = passed.too_large
    limit = None if memory_bytes is None else memory_bytes * _MEMORY_SHARE
    kept_off = _kept_off_by_another(work, limit, passed)
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
        parts.append("the cheapest grid in communication that these degrees and batches allow")
    if too_large and limit is not None and not work.checkpoint_every:
        recomputing = replace(work, checkpoint_every=1)
        fits = next((each for each in too_large if fullest(recomputing, each).total <= limit), None)
        if fits is not None:
            parts.append(f'with parallel.activation_checkpointing = "every_layer", {fits} would fit as well')
    if unused:
        parts.append(f"{unused} of {num_devices} devices stay idle{_why_idle(work, degrees, kept_off)}")
    if kept_off is not None:
        better = "use more devices" if kept_off.degrees.world_size > degrees.world_size else "talk less"
        parts.append(f"{kept_off.degrees} would {better}, but {kept_off.work.phase} cannot run on it: {kept_off}")
    return "; ".join(parts)


def _too_large_later(also: Sequence[Work], degrees: Degrees, limit: float | None) -> Iterator[str]:
    """Which further steps do not fit: no reason to choose another grid, since a smaller micro-batch mends it."""
    for work in also:
        needed = fullest(work, degrees).total
        if limit is not None and needed > limit:
            yield (
                f"{work.phase} needs {needed / _GIB:.1f} GiB on a rank, and {limit / _GIB:.1f} are planned for: lower "
                f"{work.table}.num_sequences_per_micro_batch or max_tokens"
            )


def _kept_off_by_another(work: Work, limit: float | None, passed: _PassedOver) -> _Hindered | None:
    """The grid that would have been chosen for this step alone, where another step of the run cannot take it."""
    for each in passed.hindered:
        if each.work is not work and (limit is None or fullest(work, each.degrees).total <= limit):
            return each
    return None


def _why_idle(work: Work, degrees: Degrees, kept_off: _Hindered | None) -> str:
    if kept_off is not None and kept_off.degrees.world_size > degrees.world_size:
        return ""  # said of that grid
    return (
        f": no grid of more ranks divides this model and the batch of {work.phase} ({work.num_sequences_per_step:,} "
        f"sequences in micro-batches of {work.num_sequences_per_micro_batch:,})"
    )


def _no_grid(work: Work, memory_bytes: float | None, passed: _PassedOver) -> str:
    too_large = passed.too_large
    if too_large and memory_bytes is not None:
        leanest = min(too_large, key=lambda degrees: fullest(work, degrees).total)
        needed = fullest(work, leanest).total / _GIB
        recomputing = fullest(replace(work, checkpoint_every=1), leanest).total / _GIB
        return (
            f"no grid fits: the leanest, {leanest}, needs {needed:.1f} GiB on a rank of {memory_bytes / _GIB:.0f} GiB "
            f'({recomputing:.1f} with parallel.activation_checkpointing = "every_layer"); lower '
            f"{work.table}.num_sequences_per_micro_batch, or use more devices"
        )
    if passed.hindered:
        first = passed.hindered[0]
        step = "this step" if first.work is work else f"the step of {first.work.phase} as well"
        return f"no grid can run {step}; {first.degrees}: {first}"
    return "no grid has these degrees on so few devices"

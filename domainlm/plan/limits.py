"""Which grids can run a step at all: each obstacle in words, with its arithmetic and what to do about it."""

from __future__ import annotations

import math
from typing import NamedTuple

from domainlm.plan.work import Degrees, Work


class Obstacle(NamedTuple):
    """Why a grid cannot run this step.

    Attributes:
        key: of the recipe, below `[parallel]` unless it holds a dot.
        problem: one clause.
        given: the arithmetic.
        allowed: what would do.
        remedy: what to change.
    """

    key: str
    problem: str
    given: str
    allowed: str
    remedy: str


def obstacle(work: Work, degrees: Degrees) -> Obstacle | None:
    """The first thing that forbids a grid; None where it can run."""
    return _tensor(work, degrees.tensor) or _pipeline(work, degrees) or _data(work, degrees)


def divisors(*numbers: int) -> list[int]:
    """The common divisors, smallest first."""
    largest = math.gcd(*numbers)
    return [divisor for divisor in range(1, largest + 1) if largest % divisor == 0]


def _tensor(work: Work, degree: int) -> Obstacle | None:
    """Whole heads and columns go to each rank. The vocabulary may have any size: ranks pad their shares of it."""
    config = work.config
    allowed = divisors(config.heads, config.feed_forward)
    for name, size in (("heads", config.heads), ("feed_forward", config.feed_forward)):
        if size % degree:
            return Obstacle(
                "tensor",
                f"the {name} of this model cannot be divided evenly",
                f"{size} / {degree}",
                ", ".join(map(str, allowed)),
                "choose one of these degrees, or another model.size",
            )
    return None


def _pipeline(work: Work, degrees: Degrees) -> Obstacle | None:
    num_layers, degree = work.config.layers, degrees.pipeline
    num_stages = degree * work.num_stages_per_rank
    if num_stages > num_layers:
        of_which = f" ({degree} ranks x {work.num_stages_per_rank})" if work.num_stages_per_rank > 1 else ""
        return Obstacle(
            "pipeline",
            "there are more stages than layers",
            f"{num_stages} stages{of_which}, {num_layers} layers",
            f"at most {num_layers} stages",
            "choose a lower degree",
        )
    given = work.layers_per_stage
    if given is not None and (len(given) != num_stages or sum(given) != num_layers):
        return Obstacle(
            "layers_per_stage",
            "the stages do not add up",
            f"{len(given)} stages with {sum(given)} layers",
            f"{num_stages} stages with {num_layers} layers",
            'state the layers of every stage, first to last, or "auto"',
        )
    return None


def _data(work: Work, degrees: Degrees) -> Obstacle | None:
    step, micro_batch = work.num_sequences_per_step, work.num_sequences_per_micro_batch
    if step % (degrees.data * micro_batch):
        fits = [size for size in divisors(step // degrees.data) if size <= micro_batch] if step >= degrees.data else []
        divides = step % degrees.data == 0
        return Obstacle(
            "data",
            "the global batch cannot be divided over replicas and micro-batches",
            f"{step} sequences / (data {degrees.data} x {micro_batch} in a micro-batch)",
            f"a multiple of {degrees.data * micro_batch} sequences",
            f"set {work.table}.num_sequences_per_micro_batch = {fits[-1]}"
            if divides and fits
            else f"choose a data degree that divides {work.table}.num_sequences_per_step, or change the latter",
        )
    num_micro_batches = work.num_micro_batches(degrees.data)
    if num_micro_batches < degrees.pipeline:
        return Obstacle(
            "pipeline",
            "there are fewer micro-batches than pipeline ranks, so that some would always wait",
            f"{step} / ({degrees.data} x {micro_batch}) = {num_micro_batches} micro-batches, {degrees.pipeline} ranks",
            f"at least {degrees.pipeline} micro-batches",
            f"lower {work.table}.num_sequences_per_micro_batch to "
            f"{max(1, step // (degrees.data * degrees.pipeline))}, or choose a lower degree",
        )
    if work.schedule == "interleaved" and num_micro_batches % degrees.pipeline:
        return Obstacle(
            "schedule",
            "an interleaved pipeline needs a multiple of its degree in micro-batches",
            f"{num_micro_batches} micro-batches, {degrees.pipeline} ranks",
            f"a multiple of {degrees.pipeline}",
            'change the micro-batch, or use schedule = "1f1b"',
        )
    return None

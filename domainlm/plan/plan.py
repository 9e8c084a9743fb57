"""A plan: everything that can be said of a step on a grid before it is run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from domainlm.plan.communication import Communication, communication_of
from domainlm.plan.memory import RankMemory, memory_of
from domainlm.plan.operations import hardware_operations, step_operations
from domainlm.plan.parameters import num_parameters
from domainlm.plan.stages import bubble, layers_per_stage
from domainlm.plan.timing import compute_seconds
from domainlm.plan.work import Degrees, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a step costs on one grid.

    Attributes:
        degrees: the grid.
        reason: why this grid; empty where the recipe gives it.
        num_parameters: of the whole model, heads of pretraining included.
        layers_per_stage: first to last; interleaved stages go round the ranks.
        memory: of each pipeline rank, first to last.
        num_micro_batches: of each replica in a step.
        bubble: time that ranks wait, as a share of the step.
        num_tokens_per_step: slots, padding included.
        operations_per_step: floating-point operations of the mathematics, over all ranks.
        recomputed_operations_per_step: what activation checkpointing adds.
        communication: bytes that the busiest rank sends in a step.
        seconds_per_step: at the given speed, communication left out; None where none is given.
    """

    degrees: Degrees
    reason: str
    num_parameters: int
    layers_per_stage: tuple[int, ...]
    memory: tuple[RankMemory, ...]
    num_micro_batches: int
    bubble: float
    num_tokens_per_step: int
    operations_per_step: int
    recomputed_operations_per_step: int
    communication: Communication
    seconds_per_step: float | None

    @property
    def fullest(self) -> RankMemory:
        """Memory of the rank that holds most."""
        return max(self.memory, key=lambda memory: memory.total)

    def as_dict(self) -> dict[str, Any]:
        """As JSON values; bytes and seconds."""
        memory = [{**asdict(rank), "total": rank.total, "checkpoint": rank.checkpoint} for rank in self.memory]
        return {**asdict(self), "world_size": self.degrees.world_size, "memory": memory}


def plan_of(work: Work, degrees: Degrees, *, operations_per_second: float | None = None, reason: str = "") -> Plan:
    """Plan a step on a grid that can run it (`domainlm.plan.limits.obstacle` says whether it can).

    Args:
        work: the step.
        degrees: the grid.
        operations_per_second: that one device reaches.
        reason: why this grid.
    """
    num_micro_batches = work.num_micro_batches(degrees.data)
    waiting = bubble(work.schedule, degrees.pipeline, num_micro_batches, work.num_stages_per_rank)
    operations = step_operations(work)
    return Plan(
        degrees=degrees,
        reason=reason,
        num_parameters=num_parameters(work.config, sentence_order=work.sentence_order),
        layers_per_stage=layers_per_stage(work, degrees.pipeline * work.num_stages_per_rank),
        memory=tuple(memory_of(work, degrees)),
        num_micro_batches=num_micro_batches,
        bubble=waiting / (1 + waiting),
        num_tokens_per_step=work.num_tokens_per_step,
        operations_per_step=operations,
        recomputed_operations_per_step=hardware_operations(work) - operations,
        communication=communication_of(work, degrees),
        seconds_per_step=sum(compute_seconds(work, degrees, operations_per_second)) if operations_per_second else None,
    )

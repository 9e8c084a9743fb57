"""How long a step takes where the speed of the devices and of what connects them is known."""

from __future__ import annotations

from dataclasses import dataclass

from domainlm.plan.communication import communication_of
from domainlm.plan.operations import hardware_operations
from domainlm.plan.stages import bubble, imbalance
from domainlm.plan.work import Degrees, Work

_BACKWARD_SHARE = 2 / 3
"""Of a step's operations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Speeds, all of one rank.

    Attributes:
        operations_per_second: that a device reaches on this model alone, not its peak.
        bytes_per_second_within: sent to ranks of the same machine.
        bytes_per_second_between: sent to ranks of other machines.
        ranks_per_machine: neighbours.
        overlap: share of the gradients' averaging that is done during the backward pass of the last micro-batch,
            when the gradients of a step become final; what takes longer than that pass cannot be hidden.
    """

    operations_per_second: float
    bytes_per_second_within: float
    bytes_per_second_between: float
    ranks_per_machine: int = 8
    overlap: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Seconds of a step.

    Attributes:
        compute: of the slowest stage.
        bubble: waiting for other stages.
        data: averaging gradients, what is not hidden, and handing on weights that were updated.
        pipeline: handing on hidden states.
        tensor: sums within tensor groups.
    """

    compute: float
    bubble: float
    data: float
    pipeline: float
    tensor: float

    @property
    def total(self) -> float:
        """Of the whole step."""
        return self.compute + self.bubble + self.data + self.pipeline + self.tensor


def compute_seconds(work: Work, degrees: Degrees, operations_per_second: float) -> tuple[float, float]:
    """Seconds of the slowest stage's operations, and seconds that it waits, communication left out."""
    slowest = imbalance(work, degrees.pipeline * work.num_stages_per_rank)
    compute = hardware_operations(work) / (degrees.world_size * operations_per_second) * slowest
    waiting = bubble(work.schedule, degrees.pipeline, work.num_micro_batches(degrees.data), work.num_stages_per_rank)
    return compute, waiting * compute


def step_time(work: Work, degrees: Degrees, cluster: Cluster) -> StepTime:
    """The time of a step.

    Tensor groups lie within a machine; replicas and stages talk across machines as soon as there are several.
    """
    compute, waiting = compute_seconds(work, degrees, cluster.operations_per_second)
    sent = communication_of(work, degrees)
    is_one_machine = degrees.world_size <= cluster.ranks_per_machine
    outside = cluster.bytes_per_second_within if is_one_machine else cluster.bytes_per_second_between
    averaging, handing_on = (sent.data - sent.after_update) / outside, sent.after_update / outside
    last_backward = _BACKWARD_SHARE * compute / work.num_micro_batches(degrees.data)
    return StepTime(
        compute=compute,
        bubble=waiting,
        data=averaging - min(cluster.overlap * averaging, last_backward) + handing_on,
        pipeline=sent.pipeline / outside,
        tensor=sent.tensor / cluster.bytes_per_second_within,
    )


def efficiency(work: Work, degrees: Degrees, cluster: Cluster) -> float:
    """Speed of each rank as a share of a device that trains alone: 1 where nothing is waited for or sent."""
    alone = hardware_operations(work) / (degrees.world_size * cluster.operations_per_second)
    return alone / step_time(work, degrees, cluster).total

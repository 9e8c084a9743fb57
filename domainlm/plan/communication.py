"""Bytes that a rank sends in a step, by dimension of the grid.

A ring all-reduce of n bytes over d ranks sends 2 (d - 1) / d n bytes from each of them (Patarasu and Yuan 2009). Every
layer takes two all-reduces forward and two backward in a tensor group (Shoeybi et al. 2019, section 3), and two more
where it is recomputed; a stage hands on one micro-batch of hidden states and gets its gradient back (Narayanan et al.
2021, section 3.2); replicas average their gradients once a step. Where the optimizer is divided over them, each hands
the weights that it has updated on to the others (Rajbhandari et al. 2020, section 7.1): over d ranks, (d - 1) / d n
bytes from each.
"""

from __future__ import annotations

from dataclasses import dataclass

from domainlm.plan.memory import memory_of
from domainlm.plan.stages import shares
from domainlm.plan.work import FP32_BYTES, Degrees, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Communication:
    """Bytes that the rank with most to send sends in a step.

    Attributes:
        data: gradients, between replicas; and weights, where the optimizer is divided over them.
        after_update: of `data` those weights: they are sent when nothing is left to compute.
        pipeline: hidden states and their gradients, between stages, and the gradient of the tied word embedding; or,
            where the vocabulary is divided, the vectors looked up with their gradients, and what the decoder reads.
        tensor: hidden states and their gradients, within a tensor group.
    """

    data: float
    after_update: float
    pipeline: float
    tensor: float


def all_reduce_bytes(num_bytes: float, degree: int) -> float:
    """Bytes that each of `degree` ranks sends to sum `num_bytes` over them in a ring."""
    return 2 * (degree - 1) / degree * num_bytes


def communication_of(work: Work, degrees: Degrees) -> Communication:
    """What is sent in a step."""
    num_micro_batches = work.num_micro_batches(degrees.data)
    values = work.num_slots_per_micro_batch * work.config.hidden
    per_layer = all_reduce_bytes(values * work.value_bytes, degrees.tensor)
    most_layers = max(4 * share.num_layers + 2 * share.num_recomputed for share in shares(work, degrees))
    between_stages = 2 * values * work.state_bytes * work.num_stages_per_rank if degrees.pipeline > 1 else 0
    memories = memory_of(work, degrees)
    rows = -(-work.config.padded_vocabulary_size // degrees.tensor)
    tied = all_reduce_bytes(rows * work.config.hidden * work.gradient_bytes if degrees.pipeline > 1 else 0, 2)
    if work.divides_vocabulary and degrees.pipeline > 1:
        ranks = degrees.pipeline * degrees.tensor
        masked = num_micro_batches * work.num_masked_per_micro_batch * work.config.hidden * FP32_BYTES
        looked_up = num_micro_batches * values * FP32_BYTES
        tied = all_reduce_bytes(masked + looked_up, ranks) + masked + looked_up
    weights = max(memory.num_parameters for memory in memories) * FP32_BYTES if work.shard_optimizer else 0
    after_update = all_reduce_bytes(weights, degrees.data) / 2
    return Communication(
        data=all_reduce_bytes(max(memory.gradients for memory in memories), degrees.data) + after_update,
        after_update=after_update,
        pipeline=num_micro_batches * between_stages + tied,
        tensor=num_micro_batches * most_layers * per_layer,
    )

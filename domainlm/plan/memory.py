"""Memory of each rank, by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domainlm.plan.activations import (
    differentiated_bytes,
    divided_vocabulary_bytes,
    micro_batch_bytes,
    narrow_weight_bytes,
    pair_mask_bytes,
    recomputed_bytes,
)
from domainlm.plan.parameters import ParameterSize, Share, parameters_of
from domainlm.plan.stages import micro_batches_held, shares
from domainlm.plan.work import FP32_BYTES, Degrees, Work

_STEP_COUNT_BYTES = FP32_BYTES
"""AdamW counts the steps of each tensor in a number of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankMemory:
    """What a rank holds at the most, in bytes.

    Attributes:
        num_parameters: on this rank.
        weights: in the format they are trained in.
        gradients: added up in fp32.
        optimizer: Adam's moments and step counts, and fp32 copies of narrower weights.
        activations: kept for the backward pass, of all micro-batches under way, and narrow copies of weights.
        working: the gradient of the tied word embedding, which waits for its second half through the backward pass, and
            the gradients of states within the layer that is being differentiated; or the mask of packed rows, which
            is there before.
        received: room for hidden states from the stage before and for gradients from the stage after, of all
            micro-batches of a step, without what `activations` counts of it.
        never_together: what of the above is not there at the highest moment. Where all micro-batches go forward before
            the first one goes backward, gradients come only as activations leave.
    """

    num_parameters: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    working: int
    received: int = 0
    never_together: int = 0

    @property
    def total(self) -> int:
        """The highest moment of all kinds together."""
        return self.states + self.activations + self.working + self.received - self.never_together

    @property
    def states(self) -> int:
        """Weights, gradients and optimizer."""
        return self.weights + self.gradients + self.optimizer

    @property
    def checkpoint(self) -> int:
        """What the first replica writes of a checkpoint: the others write no weights."""
        return self.weights + self.optimizer


def memory_of(work: Work, degrees: Degrees) -> list[RankMemory]:
    """The memory of each pipeline rank of one replica (of the replica with the most optimizer state), first to last."""
    return [_rank_memory(work, degrees, rank, share) for rank, share in enumerate(shares(work, degrees))]


def fullest(work: Work, degrees: Degrees) -> RankMemory:
    """The memory of the rank that holds most."""
    return max(memory_of(work, degrees), key=lambda memory: memory.total)


def _rank_memory(work: Work, degrees: Degrees, rank: int, share: Share) -> RankMemory:
    parameters = parameters_of(work.config, share, sentence_order=work.sentence_order)
    size = sum(entry.size for entry in parameters)
    num_held, of_micro_batch = micro_batches_held(work, degrees, rank), micro_batch_bytes(work, share)
    activations = round(num_held * of_micro_batch) + narrow_weight_bytes(work, share) + recomputed_bytes(work, share)
    word = next((entry.size for entry in parameters if entry.name == "embeddings.word"), 0)
    gradients = size * work.gradient_bytes
    working = word * work.weight_bytes + max(differentiated_bytes(work, share.tensor_degree), pair_mask_bytes(work))
    activations += divided_vocabulary_bytes(work, share, work.num_micro_batches(degrees.data))
    # The micro-batch that goes backward has left when all gradients are there. Replicas keep room for gradients always.
    is_apart = degrees.data == 1 and num_held >= work.num_micro_batches(degrees.data)
    never_together = min(gradients + working, of_micro_batch) if is_apart else 0
    return RankMemory(
        num_parameters=size,
        weights=size * work.weight_bytes,
        gradients=gradients,
        optimizer=optimizer_bytes(work, parameters, degrees.data if work.shard_optimizer else 1),
        activations=activations,
        working=working,
        received=_received_bytes(work, degrees, rank),
        never_together=never_together,
    )


def buffer_bytes(work: Work, degrees: Degrees, rank: int) -> int:
    """What torch.distributed.pipelining receives into: made once for all micro-batches of a step, for each stage.

    The first stage of all receives no hidden states, and the last one no gradients.
    """
    if degrees.pipeline == 1 or work.divides_vocabulary:  # the latter has an engine that receives as it goes
        return 0
    num_buffers = 2 * work.num_stages_per_rank - (rank == 0) - (rank == degrees.pipeline - 1)
    return work.num_micro_batches(degrees.data) * num_buffers * _wire_bytes(work)


def _received_bytes(work: Work, degrees: Degrees, rank: int) -> int:
    """`buffer_bytes` without the hidden states that the first layer of a stage keeps, which activations count."""
    in_all = buffer_bytes(work, degrees, rank)
    is_kept = work.config.architecture == "megatron" or work.value_bytes == work.state_bytes  # else as a narrow copy
    if not in_all or not is_kept:
        return in_all
    num_kept = micro_batches_held(work, degrees, rank) * (work.num_stages_per_rank - (rank == 0))
    return in_all - round(num_kept * _wire_bytes(work))


def _wire_bytes(work: Work) -> int:
    return work.num_slots_per_micro_batch * work.config.hidden * work.state_bytes


def optimizer_bytes(work: Work, parameters: Sequence[ParameterSize], num_replicas: int) -> int:
    """Bytes of the optimizer's state on the replica that has most of it.

    Sharding goes by whole tensors, as fairscale's OSS does it: each goes to the replica with the fewest values so far,
    matrices first.
    """
    sizes, counts = [0] * num_replicas, [0] * num_replicas
    for entry in sorted(parameters, key=lambda entry: not entry.is_decayed):
        replica = sizes.index(min(sizes))
        sizes[replica] += entry.size
        counts[replica] += 1
    return max(
        size * work.optimizer_bytes + count * _STEP_COUNT_BYTES for size, count in zip(sizes, counts, strict=True)
    )

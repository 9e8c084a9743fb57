"""A pipeline on paper: which layers go to which stage, how long ranks wait, how many micro-batches they hold."""

from __future__ import annotations

from itertools import accumulate

from domainlm.plan.operations import head_operations, layer_operations, num_recomputed, unread_operations
from domainlm.plan.parameters import Share
from domainlm.plan.work import Degrees, Schedule, Work


def layers_per_stage(work: Work, num_stages: int) -> tuple[int, ...]:
    """Layers of each stage, first to last: as the work says, or so that the slowest stage is as fast as can be.

    A layer costs its operations, and the last stage has the head besides (the decoder, where the vocabulary is divided,
    costs all of them the same) and a layer that is read in part; looking up embeddings costs next to nothing.
    """
    if work.layers_per_stage is not None:
        return work.layers_per_stage
    return divide_layers(work.config.layers, num_stages, last_stage_weight(work))


def divide_layers(num_layers: int, num_stages: int, last_cost: float) -> tuple[int, ...]:
    """Layers of each stage, so that the slowest is as fast as can be; of equal stages the earlier gets one more.

    Args:
        num_layers: in all.
        num_stages: to divide them over.
        last_cost: what the last stage computes besides, in layers; below zero where it computes less.
    """
    counts = [0] * num_stages
    for _ in range(num_layers):  # all layers cost the same, so each goes to where it hurts least
        ends = [count + (last_cost if stage == num_stages - 1 else 0.0) for stage, count in enumerate(counts)]
        counts[ends.index(min(ends))] += 1
    return tuple(counts)


def last_stage_weight(work: Work) -> float:
    """What the last stage computes more than its layers would cost elsewhere, in layers; may be below zero.

    The head is added; what the last layer is spared where no head reads it is taken off.
    """
    layer = layer_operations(work.config, work.num_sequences_per_micro_batch, work.max_tokens)
    head = head_operations(work.config, work.num_masked_per_micro_batch, decodes=not work.divides_vocabulary)
    return (head - unread_operations(work.config, work.num_unread_per_micro_batch)) / layer


def shares(work: Work, degrees: Degrees) -> list[Share]:
    """What each pipeline rank of one replica holds. Rank r has stages r, r + degree, ... of an interleaved pipeline."""
    per_stage = layers_per_stage(work, degrees.pipeline * work.num_stages_per_rank)
    stops = list(accumulate(per_stage))
    divides = work.divides_vocabulary and degrees.pipeline > 1
    vocabulary_degree = degrees.pipeline * degrees.tensor if divides else 0
    recomputed = [num_recomputed(work, stop - size, stop) for size, stop in zip(per_stage, stops, strict=True)]
    return [
        Share(
            num_layers=sum(per_stage[rank :: degrees.pipeline]),
            num_recomputed=sum(recomputed[rank :: degrees.pipeline]),
            is_first=rank == 0,
            is_last=rank == degrees.pipeline - 1,
            tensor_degree=degrees.tensor,
            vocabulary_degree=vocabulary_degree,
        )
        for rank in range(degrees.pipeline)
    ]


def bubble(schedule: Schedule, pipeline_degree: int, num_micro_batches: int, num_stages_per_rank: int = 1) -> float:
    """Time that ranks wait in a step, as a multiple of the time that they work.

    (p - 1) / m, whether one forward one backward or all forward first; (p - 1) / (v m) interleaved with v stages on
    each rank (Narayanan et al. 2021, section 2.2).
    """
    stages = num_stages_per_rank if schedule == "interleaved" else 1
    return (pipeline_degree - 1) / (stages * num_micro_batches)


def imbalance(work: Work, num_stages: int) -> float:
    """Time of the slowest stage as a multiple of the mean of all stages."""
    per_stage = layers_per_stage(work, num_stages)
    costs = [float(layers) for layers in per_stage]
    costs[-1] += last_stage_weight(work)
    return max(costs) * len(costs) / sum(costs)


def micro_batches_held(work: Work, degrees: Degrees, rank: int) -> float:
    """Most micro-batches whose activations a pipeline rank holds at one time, in units of all its layers.

    All of them where all go forward first (Huang et al. 2019); p - rank one forward one backward; interleaved, the
    warm-up of Narayanan et al. (2021) holds (2 (p - rank - 1) + (v - 1) p + 1) / v.
    """
    degree, in_all = degrees.pipeline, work.num_micro_batches(degrees.data)
    if degree == 1:
        return 1.0
    if work.schedule == "gpipe":
        return float(in_all)
    if work.schedule == "1f1b":
        return float(min(in_all, degree - rank))
    per_rank = work.num_stages_per_rank
    warm_up = 2 * (degree - rank - 1) + (per_rank - 1) * degree
    return min(in_all * per_rank, warm_up + 1) / per_rank

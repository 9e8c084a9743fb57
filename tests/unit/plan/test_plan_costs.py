"""Operations, waiting, sending and stages against the formulas of the papers and cases worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.model.config import ModelConfig
from domainlm.plan.communication import all_reduce_bytes, communication_of
from domainlm.plan.operations import hardware_operations, head_operations, step_operations
from domainlm.plan.plan import plan_of
from domainlm.plan.stages import (
    bubble,
    divide_layers,
    imbalance,
    last_stage_weight,
    layers_per_stage,
    micro_batches_held,
    shares,
)
from domainlm.plan.timing import Cluster, efficiency, step_time
from domainlm.plan.work import Degrees, Work

Shape = Callable[..., ModelConfig]


@pytest.fixture
def work(shape: Shape) -> Work:
    return Work(
        config=shape(24, 1024, 16, rows=30_592, entries=30_522),
        num_sequences_per_step=128,
        num_sequences_per_micro_batch=4,
        max_tokens=512,
    )


def test_operations_are_those_of_narayanan(work: Work) -> None:
    """Narayanan et al. 2021, section 5.1: 96 B s l h^2 (1 + s / 6h + V / 16lh), all activations recomputed."""
    b, s, layers, h, v = 128, 512, 24, 1024, 30_592
    theirs = 96 * b * s * layers * h**2 * (1 + s / (6 * h) + v / (16 * layers * h))
    everywhere = replace(work, masked_share=1.0, checkpoint_every=1)
    dense_layer_of_the_head = 3 * 2 * b * s * h * h
    assert hardware_operations(everywhere) - dense_layer_of_the_head == pytest.approx(theirs, rel=1e-12)


def test_a_head_on_masked_positions_costs_its_share(work: Work) -> None:
    work = replace(work, sentence_order=False)
    difference = step_operations(replace(work, masked_share=1.0)) - step_operations(replace(work, masked_share=0.25))
    last_layer = 2 * (1024 * 1024 + 2 * 1024 * 4096)  # output projection and feed-forward, for each position
    assert difference == 0.75 * 3 * (head_operations(work.config, 128 * 512) + 128 * 512 * last_layer)


def test_the_last_layer_is_counted_where_heads_read_it(work: Work) -> None:
    """Of 512 slots 128 are masked; the pairs' head reads the first slot of each sequence as well."""
    quarter = replace(work, masked_share=0.25)
    last_layer = 2 * (1024 * 1024 + 2 * 1024 * 4096)
    first_slots = step_operations(quarter) - step_operations(replace(quarter, sentence_order=False))
    assert first_slots == 3 * 128 * last_layer

    whole_layer = 128 * 512 * (24 * 1024 * 1024 + 4 * 512 * 1024)
    recomputed = [
        hardware_operations(replace(quarter, checkpoint_every=every)) - step_operations(quarter) for every in (24, 13)
    ]
    assert recomputed == [whole_layer - 128 * (512 - 129) * last_layer, whole_layer], "the last layer, another one"


@pytest.mark.parametrize(
    ("schedule", "pipeline", "micro_batches", "stages", "expected"),
    [("gpipe", 4, 8, 1, 3 / 8), ("1f1b", 4, 8, 1, 3 / 8), ("interleaved", 4, 8, 2, 3 / 16), ("1f1b", 1, 8, 1, 0.0)],
)
def test_the_bubble(schedule: str, pipeline: int, micro_batches: int, stages: int, expected: float) -> None:
    """Narayanan et al. 2021, sections 2.2.1 and 2.2.2; their figures 3 and 4 have 4 devices and 8 micro-batches."""
    assert bubble(schedule, pipeline, micro_batches, stages) == expected  # type: ignore[arg-type]


def simulated(num_stages: int, num_micro_batches: int) -> list[int]:
    """Most micro-batches each stage holds, played through: a stage works as soon as it may, backward first."""
    forward, backward = [0] * num_stages, [0] * num_stages
    most = [0] * num_stages
    while backward[0] < num_micro_batches:
        did_forward, did_backward = list(forward), list(backward)
        for stage in range(num_stages):
            last = stage == num_stages - 1
            ready_backward = did_forward[stage] if last else did_backward[stage + 1]
            ready_forward = num_micro_batches if stage == 0 else did_forward[stage - 1]
            may_hold_more = forward[stage] - backward[stage] < num_stages - stage
            if backward[stage] < min(ready_backward, forward[stage]):
                backward[stage] += 1
            elif forward[stage] < ready_forward and may_hold_more:
                forward[stage] += 1
            most[stage] = max(most[stage], forward[stage] - backward[stage])
    return most


@pytest.mark.parametrize("pipeline", [2, 3, 4, 8])
def test_one_forward_one_backward_holds_few_micro_batches(work: Work, pipeline: int) -> None:
    held = [micro_batches_held(work, Degrees(pipeline=pipeline), rank) for rank in range(pipeline)]
    assert held == simulated(pipeline, 32)
    assert micro_batches_held(replace(work, schedule="gpipe"), Degrees(pipeline=pipeline), 0) == 32


def test_interleaving_holds_more(work: Work) -> None:
    """Korthikanti et al. 2022, section 4.2.3: the first rank holds L (1 + (p - 1) / (p m)) layers' worth."""
    interleaved = replace(work, schedule="interleaved", num_stages_per_rank=2)
    share_of_all_layers = 1 / 4  # a rank of 4 has a quarter of the layers
    held = micro_batches_held(interleaved, Degrees(pipeline=4), 0) * share_of_all_layers
    assert held == pytest.approx(1 + (4 - 1) / (4 * 2))


@given(st.integers(1, 12), st.integers(1, 4), st.floats(-0.9, 6.0))
def test_no_division_has_a_faster_slowest_stage(num_layers: int, num_stages: int, last_cost: float) -> None:
    def slowest(counts: tuple[int, ...]) -> float:
        return max(*counts[:-1], counts[-1] + last_cost) if len(counts) > 1 else counts[0] + last_cost

    found = divide_layers(num_layers, num_stages, last_cost)
    all_of_them = (each for each in product(range(num_layers + 1), repeat=num_stages) if sum(each) == num_layers)
    assert sum(found) == num_layers
    assert slowest(found) == min(map(slowest, all_of_them))


def test_a_heavy_head_takes_layers_from_the_last_stage(work: Work) -> None:
    all_predicted = replace(work, masked_share=1.0)  # 2 h V against 24 h^2 + 4 s h: 2.4 layers, the dense layer 0.1
    assert layers_per_stage(all_predicted, 4) == (7, 7, 6, 4)
    assert imbalance(all_predicted, 4) == pytest.approx(7 / ((24 + 2.378) / 4), rel=0.01)
    assert sum(share.num_layers for share in shares(all_predicted, Degrees(pipeline=4))) == 24


def test_a_last_layer_that_is_read_in_part_is_cheaper(work: Work) -> None:
    """6 x 384 at 128 tokens, 15 % predicted; operations by slot, in millions.

    A layer 24 h^2 + 4 s h = 3.74; the head 0.15 * 2 h (h + V) = 3.56; spared at 0.85 of the slots 18 h^2 = 2.26.
    """
    config = replace(
        work.config,
        layers=6,
        hidden=384,
        heads=6,
        feed_forward=1536,
        vocabulary_size=30522,
        padded_vocabulary_size=30528,
    )
    small = replace(work, config=config, max_tokens=128, sentence_order=False)
    assert last_stage_weight(small) == pytest.approx((3.56 - 2.26) / 3.74, abs=0.01)
    assert layers_per_stage(small, 2) == (3, 3)


def test_what_is_sent_in_a_case_worked_by_hand(work: Work) -> None:
    assert all_reduce_bytes(100.0, 4) == 150.0
    one_state = 4 * 512 * 1024 * 4  # a micro-batch of hidden states in fp32
    sent = communication_of(work, Degrees(tensor=2))
    assert (sent.data, sent.pipeline) == (0.0, 0.0)
    assert sent.tensor == 32 * 24 * 4 * one_state  # micro-batches, layers, all-reduces of 2 (2 - 1) / 2 times it
    staged = communication_of(work, Degrees(data=2, pipeline=2))
    tied = 30_592 * 1024 * 4
    assert staged.pipeline == 16 * 2 * one_state + tied
    assert staged.data == max(memory.gradients for memory in plan_of(work, Degrees(data=2, pipeline=2)).memory)


def test_a_divided_optimizer_hands_on_weights_that_nothing_hides(work: Work) -> None:
    """Rajbhandari et al. 2020, section 7.1: a gather of the updated weights, half of what an all-reduce sends; fp32."""
    plain, degrees = replace(work, num_sequences_per_step=256), Degrees(data=8)
    divided, narrow = replace(plain, shard_optimizer=True), replace(plain, precision="bf16_weights")
    num_parameters = plan_of(plain, degrees).num_parameters
    handed_on = 7 / 8 * num_parameters * 4
    sent = communication_of(divided, degrees)
    assert (communication_of(plain, degrees).after_update, sent.after_update) == (0.0, handed_on)
    assert sent.data == communication_of(plain, degrees).data + handed_on == pytest.approx(3 * handed_on)
    assert communication_of(replace(narrow, shard_optimizer=True), degrees).after_update == handed_on
    assert communication_of(divided, Degrees()).data == 0.0

    cluster = Cluster(operations_per_second=1.0, bytes_per_second_within=1e9, bytes_per_second_between=1e8, overlap=1.0)
    assert step_time(plain, degrees, cluster).data == 0.0
    assert step_time(divided, degrees, cluster).data == pytest.approx(handed_on / 1e9)


def test_the_time_of_a_step_in_a_case_worked_by_hand(work: Work) -> None:
    cluster = Cluster(
        operations_per_second=1e12, bytes_per_second_within=1e9, bytes_per_second_between=1e8, ranks_per_machine=8
    )
    alone = step_time(work, Degrees(), cluster)
    assert alone.total == alone.compute == step_operations(work) / 1e12
    sixteen = step_time(work, Degrees(data=16), cluster)
    assert sixteen.compute == pytest.approx(alone.compute / 16)
    assert sixteen.data == communication_of(work, Degrees(data=16)).data / 1e8, "between machines"
    assert step_time(work, Degrees(data=2), cluster).data == communication_of(work, Degrees(data=2)).data / 1e9
    hidden = step_time(work, Degrees(data=16), replace(cluster, overlap=1.0)).data
    last_backward = sixteen.compute * 2 / 3 / 2  # of two micro-batches
    assert hidden == pytest.approx(max(0.0, sixteen.data - last_backward))
    assert efficiency(work, Degrees(data=16), cluster) == pytest.approx(sixteen.compute / sixteen.total)


def test_a_plan_adds_up(work: Work) -> None:
    plan = plan_of(work, Degrees(data=2, pipeline=4), operations_per_second=1e12)
    assert plan.num_micro_batches == 16
    assert plan.bubble == pytest.approx(3 / (16 + 3))
    assert plan.num_tokens_per_step == 128 * 512
    assert plan.seconds_per_step == pytest.approx(step_operations(work) / 8e12 * imbalance(work, 4) * (1 + 3 / 16))
    content = plan.as_dict()
    assert content["world_size"] == 8
    assert [rank["total"] for rank in content["memory"]] == [rank.total for rank in plan.memory]

"""Which grids are refused, and which one is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.model.config import ModelConfig
from domainlm.plan.choose import Wish, choose
from domainlm.plan.limits import obstacle
from domainlm.plan.memory import fullest
from domainlm.plan.work import Degrees, Work

Shape = Callable[..., ModelConfig]
_GIB = 2**30


@pytest.fixture(scope="session")
def work(shape: Shape) -> Work:
    return Work(
        config=shape(24, 1024, 16, rows=30_592, entries=30_522),
        num_sequences_per_step=512,
        num_sequences_per_micro_batch=8,
        max_tokens=512,
        precision="bf16",
    )


@pytest.mark.parametrize(
    ("changes", "degrees", "key", "said"),
    [
        ({}, {"tensor": 3}, "tensor", "16 / 3"),
        ({}, {"tensor": 32}, "tensor", "1, 2, 4, 8, 16"),
        ({}, {"pipeline": 25}, "pipeline", "25 stages, 24 layers"),
        ({}, {"data": 3}, "data", "512 sequences / (data 3 x 8 in a micro-batch)"),
        ({}, {"data": 32, "pipeline": 4}, "pipeline", "512 / (32 x 8) = 2 micro-batches, 4 ranks"),
        ({"layers_per_stage": (12, 11)}, {"pipeline": 2}, "layers_per_stage", "2 stages with 23 layers"),
        (
            {"num_stages_per_rank": 13, "schedule": "interleaved"},
            {"pipeline": 2},
            "pipeline",
            "26 stages (2 ranks x 13)",
        ),
        (
            {"num_stages_per_rank": 2, "schedule": "interleaved", "num_sequences_per_step": 24},
            {"pipeline": 2},
            "schedule",
            "3 micro-batches, 2 ranks",
        ),
    ],
)
def test_obstacles_come_with_their_arithmetic(
    work: Work, changes: dict[str, object], degrees: dict[str, int], key: str, said: str
) -> None:
    found = obstacle(replace(work, **changes), Degrees(**degrees))  # type: ignore[arg-type]
    assert found is not None
    assert found.key == key
    assert said in f"{found.given} {found.allowed}"


def test_any_vocabulary_can_be_divided(shape: Shape) -> None:
    work = Work(config=shape(4, 48, 6, rows=1001, entries=1001))
    assert obstacle(work, Degrees(tensor=3)) is None
    on_a_rank = fullest(work, Degrees(tensor=3)).num_parameters
    even = fullest(Work(config=shape(4, 48, 6, rows=1002, entries=1001)), Degrees(tensor=3)).num_parameters
    assert on_a_rank == even, "ranks pad their shares"


def test_the_remedy_for_micro_batches_that_are_too_large_works(work: Work) -> None:
    found = obstacle(work, Degrees(data=128))
    assert found is not None
    assert found.remedy == "set pretraining.num_sequences_per_micro_batch = 4"
    assert obstacle(replace(work, num_sequences_per_micro_batch=4), Degrees(data=128)) is None


@pytest.mark.parametrize(("num_sequences", "degrees"), [(16, {"data": 16}), (12, {"data": 8}), (16, {"pipeline": 4})])
def test_remedies_name_the_table_of_the_phase(work: Work, num_sequences: int, degrees: dict[str, int]) -> None:
    tuning = replace(work, masked_share=0.0, num_sequences_per_step=num_sequences)
    found = obstacle(tuning, Degrees(**degrees))
    assert found is not None
    assert "finetuning.num_sequences_per_" in found.remedy
    assert "pretraining" not in found.remedy


@settings(max_examples=25)
@given(
    st.integers(1, 24),
    st.sampled_from([None, 1.0, 4.0, 16.0, 80.0]),
    st.sampled_from([8, 96, 512, 1000]),
    st.sampled_from([1, 4, 8]),
)
def test_what_is_chosen_can_run_and_nothing_cheaper_can(
    work: Work, num_devices: int, memory: float | None, global_batch: int, micro_batch: int
) -> None:
    step = replace(work, num_sequences_per_step=global_batch, num_sequences_per_micro_batch=micro_batch)
    found = choose(step, num_devices, None if memory is None else memory * _GIB)

    def can_run(degrees: Degrees) -> bool:
        fits = memory is None or fullest(step, degrees).total <= 0.9 * memory * _GIB
        return fits and obstacle(step, degrees) is None

    every = [
        Degrees(data=data, pipeline=pipeline, tensor=tensor)
        for data in range(1, num_devices + 1)
        for pipeline in range(1, num_devices // data + 1)
        for tensor in range(1, num_devices // (data * pipeline) + 1)
    ]
    runnable = [degrees for degrees in every if can_run(degrees)]
    assert found.reason
    if found.degrees is None:
        assert not runnable
        return
    cheapest = min(runnable, key=lambda degrees: (-degrees.world_size, degrees.tensor, degrees.pipeline))
    assert found.degrees == cheapest


def test_replicas_come_first_then_stages_then_shards(work: Work) -> None:
    roomy = choose(work, 16, 80 * _GIB)
    assert roomy.degrees == Degrees(data=16)
    assert "replicas talk least" in roomy.reason
    tight = choose(replace(work, num_sequences_per_micro_batch=1, num_sequences_per_step=64), 8, 4.1 * _GIB)
    assert tight.degrees == Degrees(data=4, pipeline=2)
    assert "data 8 x pipeline 1 x tensor 1 would need" in tight.reason


def test_a_grid_that_another_step_keeps_off_is_named(work: Work) -> None:
    tuning = replace(work, masked_share=0.0, num_sequences_per_step=16, label="finetuning of soups")
    found = choose(work, 16, 80 * _GIB, also=[tuning])
    assert found.degrees == Degrees(data=2, tensor=8)
    kept_off = "data 16 x pipeline 1 x tensor 1 would talk less, but finetuning of soups cannot run on it: "
    assert kept_off in found.reason
    assert "16 sequences / (data 16 x 8 in a micro-batch)" in found.reason
    assert found.reason.endswith("; set finetuning.num_sequences_per_micro_batch = 1")
    mended = replace(tuning, num_sequences_per_micro_batch=1)
    assert choose(work, 16, 80 * _GIB, also=[mended]).degrees == Degrees(data=16)
    assert "finetuning" not in choose(work, 16, 80 * _GIB, also=[mended]).reason


def test_a_grid_that_is_too_large_anyhow_is_not_laid_to_another_step(work: Work) -> None:
    tuning = replace(work, masked_share=0.0, num_sequences_per_step=8)
    step = replace(work, num_sequences_per_micro_batch=1)
    assert fullest(step, Degrees(data=2)).total > 0.9 * 4 * _GIB
    found = choose(step, 2, 4 * _GIB, Wish(pipeline=1), [tuning])
    assert found.degrees == Degrees(tensor=2)
    assert "cannot run on it" not in found.reason


def test_a_later_step_that_does_not_fit_is_named(work: Work) -> None:
    """The run would end there, after all of its pretraining."""
    tuning = replace(work, masked_share=0.0, num_sequences_per_micro_batch=512, label="finetuning of soups")
    found = choose(work, 1, 80 * _GIB, also=[tuning])
    needed = fullest(tuning, Degrees()).total / _GIB
    assert needed > 80
    assert found.degrees == Degrees()
    assert f"finetuning of soups needs {needed:.1f} GiB on a rank, and 72.0 are planned for" in found.reason
    assert "lower finetuning.num_sequences_per_micro_batch" in found.reason
    assert "soups" not in choose(work, 1, None, also=[tuning]).reason


def test_idle_devices_are_laid_to_the_batch_that_leaves_them_so(work: Work) -> None:
    own = choose(replace(work, num_sequences_per_step=32), 8, None, Wish(pipeline=1, tensor=1)).reason
    assert "4 of 8 devices stay idle: no grid of more ranks" in own
    assert "the batch of pretraining (32 sequences in micro-batches of 8)" in own
    tuning = replace(work, masked_share=0.0, num_sequences_per_step=32)
    others = choose(work, 8, None, Wish(pipeline=1, tensor=1), [tuning]).reason
    assert "4 of 8 devices stay idle; data 8 x pipeline 1 x tensor 1 would use more devices, but finetuning" in others


def test_given_degrees_are_kept(work: Work) -> None:
    assert choose(work, 16, None, Wish(tensor=2)).degrees == Degrees(data=8, tensor=2)
    assert choose(work, 16, None, Wish(data=2, tensor=2)).degrees == Degrees(data=2, pipeline=4, tensor=2)


def test_where_nothing_fits_the_reason_says_what_would_help(work: Work) -> None:
    found = choose(work, 1, 8 * _GIB)
    assert found.degrees is None
    assert "needs" in found.reason
    assert 'activation_checkpointing = "every_layer"' in found.reason
    assert "no grid can run this step" in choose(replace(work, num_sequences_per_step=7), 1, None).reason

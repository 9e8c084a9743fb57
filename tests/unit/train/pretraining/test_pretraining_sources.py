"""Which sequences a step, a micro-batch and a data rank take."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pretraining_world import World, batches_of

from domainlm.text.batches import Batches
from domainlm.text.mixing import MixedBatches
from domainlm.train.pretraining import (
    PretrainingSource,
    width_multiple,
)


def test_steps_take_the_sequences_in_order_and_each_once(world: World) -> None:
    batches = batches_of(world)
    source = PretrainingSource(batches, 6, 4)
    steps = [source.micro_batches(step) for step in range(3)]

    assert [[len(batch.lengths) for batch in step] for step in steps] == [[4, 2]] * 3
    expected = batches.batch(range(18)).lengths.tolist()
    assert [length for step in steps for batch in step for length in batch.lengths.tolist()] == expected
    assert sum(batch.num_tokens for step in steps for batch in step) == sum(expected)


@settings(max_examples=30)
@given(
    step=st.integers(0, 40),
    step_size=st.integers(1, 12),
    micro_batch=st.integers(1, 13),
    data=st.data(),
    packing=st.booleans(),
    is_mixed=st.booleans(),
)
def test_the_parts_of_the_data_ranks_are_the_step(
    world: World, *, step: int, step_size: int, micro_batch: int, data: st.DataObject, packing: bool, is_mixed: bool
) -> None:
    def source(size: int, rank: int, degree: int) -> PretrainingSource:
        """Made anew each time: as after a restart, or on another machine."""
        batches: Batches = batches_of(world, packing=packing)
        if is_mixed:
            others = {"a": batches_of(world, packing=packing), "b": batches_of(world, packing=packing, seed=2)}
            batches = MixedBatches(others, [3.0, 1.0], seed=1, pad=0)
        return PretrainingSource(batches, step_size, size, rank, degree)

    def rows(part: PretrainingSource) -> list[tuple[list[int], list[int]]]:
        """The tokens of each row, and what is to be predicted."""
        found = []
        for batch in part.micro_batches(step):
            masked_rows = batch.masked_positions // batch.tokens.shape[1]
            for row, length in enumerate(batch.lengths.tolist()):
                found.append((batch.tokens[row, :length].tolist(), batch.masked_labels[masked_rows == row].tolist()))
        return found

    degree = data.draw(st.integers(1, step_size))
    parts = [rows(source(micro_batch, rank, degree)) for rank in range(degree)]
    assert all(parts)
    assert [row for part in parts for row in part] == rows(source(step_size, 0, 1))


@pytest.mark.parametrize(("rank", "degree"), [(1, 1), (-1, 2), (0, 12), (0, 0)])
def test_a_data_rank_without_a_part_is_refused(world: World, rank: int, degree: int) -> None:
    with pytest.raises(ValueError, match="has no part of 11 sequences"):
        PretrainingSource(batches_of(world), 11, 4, rank, degree)


@pytest.mark.parametrize(("max_tokens", "multiple"), [(512, 64), (128, 16), (100, 10), (7, 1)])
def test_compiled_layers_see_few_widths(max_tokens: int, multiple: int) -> None:
    assert width_multiple(max_tokens) == multiple

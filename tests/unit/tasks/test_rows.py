"""Which rows of a data set go through a model together, and which of their slots are read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from domainlm.tasks.batches import row_groups, slots_to_read

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(0, 300), max_size=200)


@given(LENGTHS, st.sampled_from(["cpu", "cuda"]))
def test_every_row_is_in_one_group_longest_first(lengths: list[int], kind: str) -> None:
    groups = list(row_groups(np.array(lengths, dtype=np.int64), torch.device(kind)))
    order = [int(row) for group in groups for row in group]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[row] for row in order] == sorted(lengths, reverse=True)
    most = {"cpu": 2_048, "cuda": 16_384}[kind]
    assert all(len(group) == 1 or len(group) * max(lengths[row] for row in group) <= most for group in groups)


def test_rows_of_one_width_are_as_many() -> None:
    lengths = np.array([40] * 51 + [33] * 51 + [32] * 7, dtype=np.int64)
    assert [len(group) for group in row_groups(lengths, CPU)] == [51, 51, 7]


@given(st.integers(1, 12), st.integers(1, 40), st.data())
def test_slots_are_read_once_with_others_that_fill_them_up(rows: int, width: int, data: st.DataObject) -> None:
    tokens = torch.zeros(rows, width, dtype=torch.int64)
    wanted = data.draw(st.lists(st.integers(0, rows * width - 1), unique=True))
    slots = torch.tensor(sorted(wanted), dtype=torch.int64)
    read = slots_to_read(slots, tokens)
    assert read is not None
    assert read[: len(slots)].tolist() == slots.tolist()
    assert len(set(read.tolist())) == len(read)
    assert set(read.tolist()) <= set(range(rows * width))
    filled = -(-len(slots) // 64) * 64
    assert len(read) == (filled if filled <= rows * width else len(slots))


@pytest.mark.parametrize(("shape", "is_all"), [((5, 1), False), ((5, 2), True)])
def test_two_slots_of_a_row_might_be_one(shape: tuple[int, int], is_all: bool) -> None:
    slots = torch.arange(shape[0] * shape[1]).view(shape)
    assert (slots_to_read(slots, torch.zeros(5, 8)) is None) is is_all

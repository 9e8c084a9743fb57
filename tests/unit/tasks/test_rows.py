"""Which rows of a data set go through a model together."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from domainlm.tasks.batches import row_groups

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

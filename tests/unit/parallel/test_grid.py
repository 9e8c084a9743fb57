"""The arithmetic of ranks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.errors import MachineError
from domainlm.parallel.grid import Grid

DEGREES = st.integers(1, 5)


def test_eight_ranks_worked_by_hand() -> None:
    grid = Grid(data_degree=2, pipeline_degree=2, tensor_degree=2)
    places = [(rank.data_rank, rank.stage, rank.tensor_rank) for rank in map(grid.at, range(8))]

    assert places == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)]
    fifth = grid.at(5)
    assert fifth.data_group == (1, 5)
    assert fifth.pipeline_group == (5, 7)
    assert fifth.tensor_group == (4, 5)


@given(data=DEGREES, pipeline=DEGREES, tensor=DEGREES)
def test_groups_divide_the_world(data: int, pipeline: int, tensor: int) -> None:
    grid = Grid(data_degree=data, pipeline_degree=pipeline, tensor_degree=tensor)
    ranks = [grid.at(rank) for rank in range(grid.world_size)]

    assert [rank.world_rank for rank in ranks] == list(range(data * pipeline * tensor))
    groups: tuple[Callable[[Grid], tuple[int, ...]], ...] = (
        lambda rank: rank.data_group,
        lambda rank: rank.pipeline_group,
        lambda rank: rank.tensor_group,
    )
    for group in groups:
        assert all(rank.world_rank in group(rank) for rank in ranks)
        assert sorted(member for each in {group(rank) for rank in ranks} for member in each) == list(range(len(ranks)))
    for rank in ranks:  # a tensor group lies on one host: its ranks are neighbours
        assert rank.tensor_group == tuple(range(rank.tensor_group[0], rank.tensor_group[0] + tensor))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tensor_degree": 0}, "wrong tensor_degree"),
        ({"data_degree": 2, "data_rank": 2}, r"(?s)wrong data_rank.*0 to 1"),
        ({"pipeline_degree": 2, "stage": -1}, "wrong stage"),
    ],
)
def test_places_outside_are_refused(fields: dict[str, int], says: str) -> None:
    with pytest.raises(MachineError, match=says):
        Grid(**fields)


def test_a_world_of_another_size_is_refused_with_the_arithmetic() -> None:
    grid = Grid(data_degree=2, tensor_degree=3)
    grid.check_world_size(6)
    with pytest.raises(MachineError, match=r"(?s)8 ranks.*6 ranks \(data 2 x pipeline 1 x tensor 3\).*product is 8"):
        grid.check_world_size(8)
    with pytest.raises(MachineError, match="0 to 5"):
        grid.at(6)

"""Any size of vocabulary at any tensor degree: the loss and its gradients are those of a whole one."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.parallel.grid import Grid
from domainlm.parallel.stages import Division
from domainlm.testing import CheckError, run_on_ranks

COMPARE = f"{Path(__file__).with_name('vocabulary.py')}:compare"
SIZES = [[size, size + extra] for size in (1, 2, 3, 5, 8, 9, 17) for extra in (0, 1, 6)]


@pytest.mark.parametrize("degree", [1, 2, 4])
def test_a_divided_vocabulary_has_the_same_loss_and_gradients(degree: int) -> None:
    """Also where a rank has no entry at all, or only those that stand for none."""
    for differences in run_on_ranks(COMPARE, Grid(tensor_degree=degree), SIZES):
        assert max(differences) < 3e-6


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(CheckError, match="attention heads cannot be divided"):
        run_on_ranks(COMPARE, Grid(tensor_degree=8), [[9, 9]])


def test_stages_take_layers_in_turn() -> None:
    division = Division((2, 1, 1, 3), 2)
    assert [list(division.layers(stage)) for stage in range(4)] == [[0, 1], [2], [3], [4, 5, 6]]
    assert [list(division.stages_of(rank)) for rank in range(2)] == [[0, 2], [1, 3]]

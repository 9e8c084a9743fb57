"""What of the grid counts towards the keys of trained artifacts."""

from __future__ import annotations

from domainlm.parallel.grid import Grid
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.study.hardware import grid_identity
from domainlm.train.ranks import Ranks


def test_a_process_by_itself_keeps_its_keys() -> None:
    assert grid_identity(Ranks(), ParallelSettings()) == {}


def test_the_format_that_tensor_ranks_sum_in_counts_for_them_alone() -> None:
    def facts(**degrees: int) -> object:
        return grid_identity(Ranks(degrees=Grid(**degrees)), ParallelSettings())["grid"].get("tensor_sums")

    assert facts(tensor_degree=2) == 2
    assert facts(data_degree=2) is None
    assert facts(pipeline_degree=2) is None

"""The kit's own ranks: they talk, and what goes wrong on one of them is never taken for success."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from torch import distributed

from domainlm.errors import MachineError
from domainlm.parallel.grid import Grid
from domainlm.testing import CheckError, run_on_ranks

if TYPE_CHECKING:
    from domainlm.parallel.world import World


def _places(world: World, factor: int) -> list[Any]:
    own = [world.grid.data_rank, world.grid.stage, world.grid.tensor_rank]
    sums = [world.sum([world.rank], scope)[0] for scope in ("world", "data", "pipeline", "tensor", "replica")]
    told = world.broadcast({"from": world.rank, "text": "ä"}, source=world.size - 1)
    world.barrier()
    return [own, sums, told, world.gather(world.rank * factor), world.max([world.rank])[0]]


def _gather(world: World) -> list[Any]:
    """Values of unlike lengths, and how many exchanges that took."""
    num_exchanges = Counter[str]()

    def count(name: str, exchange: Callable[..., Any]) -> None:
        def counted(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - torch's own
            num_exchanges[name] += 1
            return exchange(*given, **named)

        setattr(distributed, name, counted)

    count("broadcast", distributed.broadcast)
    count("all_gather", distributed.all_gather)
    return [world.gather(["ä" * 10 * world.rank, world.rank]), dict(num_exchanges)]


def _raise_on_one(world: World) -> None:
    if world.rank == 1:
        raise MachineError("this rank is out of order", where="here")
    world.barrier()


def _die_on_one(world: World) -> None:
    if world.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    world.barrier()


def _hang_on_one(world: World) -> None:
    time.sleep(600 * world.rank)


def _return_what_is_no_json(world: World) -> object:
    return object()


def test_values_of_unlike_lengths_are_gathered_in_two_exchanges() -> None:
    found = [["ä" * 10 * rank, rank] for rank in range(4)]
    assert run_on_ranks(_gather, Grid(data_degree=4)) == [[found, {"all_gather": 2}]] * 4


def test_ranks_know_their_place_and_talk() -> None:
    results = run_on_ranks(_places, Grid(data_degree=2, pipeline_degree=2, tensor_degree=2), 3)
    assert [own for own, *_ in results] == [[d, p, t] for d in (0, 1) for p in (0, 1) for t in (0, 1)]
    # Rank 5 is (1, 0, 1): its peers are 1 (data), 7 (pipeline), 4 (tensor), and 4 to 7 (replica).
    assert results[5][1] == [28.0, 6.0, 12.0, 9.0, 22.0]
    assert all(told == {"from": 7, "text": "ä"} for _, _, told, _, _ in results)
    assert all(gathered == [0, 3, 6, 9, 12, 15, 18, 21] for *_, gathered, _ in results)
    assert all(result[-1] == 7 for result in results)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_raise_on_one, "(?s)rank 1 raised:.*this rank is out of order"),
        (_die_on_one, "rank 1 died of SIGKILL"),
        (_hang_on_one, "not done after 2 s: rank 1"),
        (_return_what_is_no_json, "not JSON serializable"),
        (f"{__file__}:not_there", "not_there"),
        ("domainlm.not_there:function", "domainlm.not_there"),
    ],
)
def test_what_goes_wrong_on_a_rank_fails(function: str | Callable[[World], object], message: str) -> None:
    with pytest.raises(CheckError, match=message):
        run_on_ranks(function, 2, timeout_seconds=2)


_JOIN_LATE = """
import sys, time
from pathlib import Path
from domainlm.parallel import world
from domainlm.parallel.grid import Grid

rank, store = int(sys.argv[1]), Path(sys.argv[2])
make_groups = world._make_groups

def late(grid):
    groups = make_groups(grid)
    time.sleep(0.5 * rank)
    print(time.monotonic())
    return groups

world._make_groups = late
with world.joined_world(Grid(data_degree=2), rank=rank, store=store, timeout_seconds=60.0):
    print(time.monotonic())
"""


def test_no_rank_goes_on_before_all_have_made_their_groups(tmp_path: Path) -> None:
    """One that has nothing to do would leave, and close connections while others are still making theirs."""
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", _JOIN_LATE, str(rank), str(tmp_path / "store")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    told = [rank.communicate(timeout=100) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], told
    (_, joined_first), (made_last, _) = ([float(line) for line in out.split()] for out, _ in told)
    assert joined_first >= made_last


def _answer_late(world: World, seconds: float) -> str:
    time.sleep(seconds)
    return "late"


def test_an_answer_that_nobody_waits_for_is_not_the_next_ones() -> None:
    """As where a test's time limit ends it while its ranks still run."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupted)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_on_ranks(_answer_late, 1, 30.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert run_on_ranks(_places, 1, 3) == [[[0, 0, 0], [0.0] * 5, {"from": 0, "text": "ä"}, [0], 0.0]]


def test_a_function_inside_another_is_refused() -> None:
    with pytest.raises(CheckError, match="not a function at the top of a module"):
        run_on_ranks(lambda world: None, 2)

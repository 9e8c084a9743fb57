"""A world of one; those of several are in tests/distributed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from domainlm.errors import MachineError
from domainlm.parallel.grid import Grid
from domainlm.parallel.world import _choose_device, current_world, join_world, joined_world, leave_world


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_a_process_by_itself_exchanges_with_nobody() -> None:
    world = current_world()
    assert (world.size, world.rank, world.is_first, world.is_joined) == (1, 0, True, False)
    assert world.sum([1, 2.5]) == [1.0, 2.5]
    assert world.broadcast({"a": [1]}) == {"a": [1]}
    assert world.gather("b") == ["b"]
    world.barrier()
    leave_world()
    assert current_world() is world


def test_joining_without_a_launcher_or_a_store_is_refused() -> None:
    with pytest.raises(MachineError, match=r"not started as one of several ranks(.|\n)*torchrun"):
        join_world(Grid())


def test_a_grid_that_is_not_that_of_the_launcher_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "3"), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(MachineError, match="the grid does not fit the number of ranks"):
        join_world(Grid(data_degree=2))


@pytest.mark.parametrize(
    ("said", "problem", "remedy"),
    [
        # As torch 2.13 says it where /etc/hosts has the host name at 127.0.1.1, as Debian does.
        (
            "Gloo connectFullMesh failed with [../third_party/gloo/gloo/transport/tcp/pair.cc:144] no error\n",
            "this rank could not join the others",
            "GLOO_SOCKET_IFNAME",
        ),
        ("ncclInvalidUsage\nDuplicate GPU detected", "two ranks have the same GPU", "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_a_launched_rank_that_cannot_join_says_what_to_look_at(
    monkeypatch: pytest.MonkeyPatch, said: str, problem: str, remedy: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(said)

    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("domainlm.parallel.world._launched_store", lambda _: None)
    monkeypatch.setattr("torch.distributed.init_process_group", fail)
    with pytest.raises(MachineError) as raised:
        join_world(Grid(data_degree=2))
    assert raised.value.problem == problem
    assert remedy in str(raised.value.remedy)
    assert said.splitlines()[-1] in str(raised.value)
    assert not current_world().is_joined


def test_a_world_of_one_may_be_joined_once_and_left(tmp_path: Path) -> None:
    with joined_world(Grid(), rank=0, store=tmp_path / "store") as world:
        assert current_world() is world
        assert world.is_joined
        assert world.sum([2.0], "replica") == [2.0]
        with pytest.raises(MachineError, match="joined a world already"):
            join_world(Grid(), rank=0, store=tmp_path / "other")
    assert not current_world().is_joined


@pytest.mark.parametrize(("num_seen", "chosen"), [(1, 0), (8, 3)])
def test_each_rank_takes_its_gpu_or_the_only_one_it_is_shown(
    num_seen: int, chosen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: num_seen)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    assert (_choose_device("cuda", 3), taken) == (torch.device("cuda", chosen), [chosen])


def test_more_ranks_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(MachineError, match=r"LOCAL_RANK: there are more ranks(.|\n)*given:   2\n  allowed: below 2"):
        _choose_device("cuda", 2)

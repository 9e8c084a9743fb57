"""How a process learns that it is one rank of several, and which cores it may use."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.errors import MachineError
from domainlm.process import Launched, expand_nodes, launched, usable_cores

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "node1", "MASTER_PORT": "29500"}
SRUN = {
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_NTASKS": "8",
    "SLURM_JOB_ID": "1234",
    "SLURM_STEP_ID": "0",
    "SLURM_JOB_NODELIST": "gpu[07-08,11]",
}


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("login", "login"),
        ("node[1-3]", "node1 node2 node3"),
        ("gpu[08-10,12],login", "gpu08 gpu09 gpu10 gpu12 login"),
        ("a,b[2],c", "a b2 c"),
        ("rack[0-1]node[1-2]-ib", "rack0node1-ib rack0node2-ib rack1node1-ib rack1node2-ib"),
    ],
)
def test_node_lists_are_expanded(text: str, hosts: str) -> None:
    """The forms are those of scontrol's manual page, "show hostnames"."""
    assert list(expand_nodes(text)) == hosts.split()


@given(st.integers(0, 90), st.integers(0, 9), st.integers(1, 5))
def test_ranges_keep_their_width(first: int, count: int, width: int) -> None:
    last = first + count
    expected = [f"n{number:0{max(width, len(str(first)))}}" for number in range(first, last + 1)]
    assert list(expand_nodes(f"n[{first:0{width}}-{last:0{width}}]")) == expected


def test_what_is_no_node_list_is_refused() -> None:
    with pytest.raises(MachineError, match=r"(?s)not a list of nodes.*given:   n\[a-b\]"):
        list(expand_nodes("n[a-b]"))


def test_a_process_by_itself() -> None:
    assert launched({}) is None
    assert launched({**TORCHRUN, "RANK": "0", "WORLD_SIZE": "1"}) is None


def test_a_batch_script_outside_srun_is_by_itself() -> None:
    """There sbatch sets SLURM_PROCID and SLURM_NTASKS, but nothing of a step."""
    assert launched({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "1234"}) is None


def test_torchrun_is_taken_as_it_is() -> None:
    environment = {**SRUN, **TORCHRUN}
    assert launched(environment) == Launched(3, 8, "torchrun")
    assert environment == {**SRUN, **TORCHRUN}


def test_srun_gets_torchruns_variables() -> None:
    environment = dict(SRUN)
    assert launched(environment) == Launched(5, 8, "srun")
    assert {name: environment[name] for name in TORCHRUN if name != "MASTER_PORT"} == {
        "RANK": "5",
        "WORLD_SIZE": "8",
        "LOCAL_RANK": "1",
        "MASTER_ADDR": "gpu07",
    }
    others = dict(SRUN, SLURM_PROCID="0")
    launched(others)
    assert environment["MASTER_PORT"] == others["MASTER_PORT"]
    assert 1024 < int(environment["MASTER_PORT"]) < 32_768  # below the ports that Linux gives to connections


def test_an_address_that_was_chosen_stays() -> None:
    environment = {**SRUN, "MASTER_ADDR": "ib0", "MASTER_PORT": "4242"}
    launched(environment)
    assert (environment["MASTER_ADDR"], environment["MASTER_PORT"]) == ("ib0", "4242")


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE"])
def test_a_variable_that_is_no_number_is_named(name: str) -> None:
    with pytest.raises(MachineError, match=rf"(?s)^{name}: .*given:   many"):
        launched({**TORCHRUN, name: "many"})


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"])
def test_one_variable_alone_launches_nothing(name: str) -> None:
    assert launched({name: TORCHRUN[name]}) is None


def test_cores_are_those_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    assert usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    assert usable_cores() == 64

"""`domainlm run` as one of several ranks that torchrun or Slurm starts."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import domainlm

_RECIPE = """
name = "ships"
[corpus]
spec = "core/text"
files = ["log.txt"]
held_out_share = 0.1
[vocabulary]
size = 80
[model]
size = "core/tiny"
dropout = 0.0
[pretraining]
num_steps = 120
num_sequences_per_step = 8
num_sequences_per_micro_batch = 4
max_tokens = 32
num_steps_per_checkpoint = 5
[parallel]
data = "auto"
[runtime]
device = "cpu"
num_threads = 1
"""
_TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--max-restarts=2", "--nproc-per-node")
_RUN = ("-m", "domainlm", "run", "ships.toml")
pytestmark = [pytest.mark.slow, pytest.mark.grids, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("launched")
    days = [f"Fog on day {day}.\nThe Vega came in from Oslo.\nThe Tern left for Cork.\n\n" for day in range(60)]
    (folder / "log.txt").write_text("".join(days))
    (folder / "ships.toml").write_text(_RECIPE)
    return folder


def _start(folder: Path, command: Sequence[str], log: str, **environment: str) -> subprocess.Popen[str]:
    """Start a command in a group of its own; what it says goes to a file."""
    core = Path(domainlm.__file__).parents[1]
    with (folder / log).open("a", encoding="utf-8") as stream:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(core), "OMP_NUM_THREADS": "1", **environment},
            stdout=stream,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


@contextmanager
def _running(folder: Path, command: Sequence[str], log: str) -> Iterator[subprocess.Popen[str]]:
    process = _start(folder, command, log)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _rank(folder: Path, out: str, rank: int, step: int) -> int:
    """Wait until a rank has done so many steps; its process."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for path in (folder / out / "artifacts" / "pretrain").glob(f"*.partial/ranks/rank-{rank:05}.json"):
            with suppress(OSError, ValueError):
                sign = json.loads(path.read_bytes())
                if sign["step"] >= step:
                    return int(sign["process"])
        time.sleep(0.05)
    raise AssertionError("the rank has not come so far")


def _outcome(folder: Path, out: str) -> dict[str, bytes]:
    paths = [*(folder / out / "models").rglob("*"), *(folder / out / "logs").rglob("*")]
    files = {path.relative_to(folder / out).as_posix(): path.read_bytes() for path in paths if path.is_file()}
    files["models/.written.json"] = re.sub(b'"[0-9a-f]{64}"', b'"KEY"', files["models/.written.json"])
    return {re.sub("[0-9a-f]{12,}", "KEY", name): content for name, content in files.items()}  # "auto" has another key


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[str, bytes]:
    """The outcome of two ranks that nobody disturbs, started by the command itself."""
    command = (sys.executable, *_RUN, "--out", "whole", "--set", "parallel.data=2")
    assert _start(folder, command, "whole.log").wait() == 0, (folder / "whole.log").read_text()
    return _outcome(folder, "whole")


def test_under_torchrun_it_is_the_same_and_said_once(folder: Path, whole: dict[str, bytes]) -> None:
    assert _start(folder, (*_TORCHRUN, "2", *_RUN, "--out", "torchrun"), "torchrun.log").wait() == 0
    log = (folder / "torchrun.log").read_text()

    assert _outcome(folder, "torchrun") == whole
    assert len(whole) >= 3
    assert log.count("done in") == log.count("[1/6]") == 1
    assert not list((folder / "torchrun").rglob("rank-*.json"))


def test_torchrun_restarts_it_from_the_last_checkpoint(folder: Path, whole: dict[str, bytes]) -> None:
    with _running(folder, (*_TORCHRUN, "2", *_RUN, "--out", "restarted"), "restarted.log") as process:
        os.kill(_rank(folder, "restarted", 1, 6), signal.SIGKILL)
        assert process.wait() == 0
    log = (folder / "restarted.log").read_text()

    assert "going on after step" in log
    assert "This is a bug" not in log
    assert _outcome(folder, "restarted") == whole


def test_srun_starts_it_too(folder: Path, whole: dict[str, bytes]) -> None:
    """Slurm's variables, set by hand: two tasks on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    facts = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "localhost", "SLURM_JOB_ID": "7"}
    ranks = [
        _start(
            folder,
            (sys.executable, *_RUN, "--out", "srun"),
            "srun.log",
            SLURM_PROCID=str(rank),
            SLURM_LOCALID=str(rank),
            MASTER_PORT=str(port),
            **facts,
        )
        for rank in range(2)
    ]

    assert [rank.wait() for rank in ranks] == [0, 0]
    assert _outcome(folder, "srun") == whole


def test_preempted_it_saves_and_goes_on_with_fewer_ranks(folder: Path, whole: dict[str, bytes]) -> None:
    """SIGTERM to one rank of two; then one process goes on. The sums are in another order, so the last bits differ."""
    with _running(folder, (*_TORCHRUN, "2", "--max-restarts=0", *_RUN, "--out", "fewer"), "fewer.log") as process:
        os.kill(_rank(folder, "fewer", 1, 6), signal.SIGTERM)
        assert process.wait() != 0
    log = (folder / "fewer.log").read_text()
    assert "terminated; run the same command again to go on" in log
    assert "exitcode  : 143" in log
    assert _start(folder, (sys.executable, *_RUN, "--out", "fewer"), "fewer.log").wait() == 0

    assert "going on after step" in (folder / "fewer.log").read_text()
    losses = [
        [json.loads(line)["loss"] for line in _metrics(outcome).splitlines()]
        for outcome in (whole, _outcome(folder, "fewer"))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def _metrics(outcome: dict[str, bytes]) -> bytes:
    (name,) = (name for name in outcome if name.endswith(".jsonl") and "pretrain" in name)
    return outcome[name]


def test_a_rank_that_is_killed_is_named_by_another(folder: Path) -> None:
    """Without a launcher that tears all down: as under srun without --kill-on-bad-exit."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def start(rank: int) -> subprocess.Popen[str]:
        facts = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
        return _start(
            folder, (sys.executable, *_RUN, "--out", "named"), f"named-{rank}.log", MASTER_PORT=str(port), **facts
        )

    ranks = [start(0), start(1)]
    os.kill(_rank(folder, "named", 1, 6), signal.SIGKILL)
    struck = time.monotonic()
    code = ranks[0].wait()
    log = (folder / "named-0.log").read_text()

    assert code == 2
    assert time.monotonic() - struck < 60
    assert "error: rank 1 of 2 on" in log
    assert "gave no sign of life" in log
    assert "last step" in log
    assert "Traceback" not in log
    assert ranks[1].wait() == -signal.SIGKILL

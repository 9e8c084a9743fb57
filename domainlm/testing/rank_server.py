"""The helper process of `run_on_ranks`: reads jobs from stdin as lines of JSON, forks the ranks, answers on stdout."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from domainlm.parallel.grid import Grid
from domainlm.parallel.pairing import check_pairing
from domainlm.parallel.world import joined_world

_PRELOADED = ("domainlm.parallel.torch_engine", "domainlm.train.assemble")
_POLL_SECONDS = 0.005
_JOIN_SECONDS = 120.0  # on a busy machine the ranks find each other late: that is not counted as their work
_GRACE_SECONDS = 3.0
_PR_SET_PDEATHSIG = 1  # prctl.h


def main() -> None:
    """Do jobs until stdin ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what ranks print is no answer
    torch.set_num_threads(1)
    _preload()
    for line in sys.stdin:
        with tempfile.TemporaryDirectory(prefix="domainlm-ranks-") as folder:
            answer = _do(json.loads(line), Path(folder))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _preload() -> None:
    """Import what ranks will need before they are forked, so that each has it: some seconds of every rank."""
    check_pairing()  # imports fairscale
    for module in _PRELOADED:
        importlib.import_module(module)


def _do(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run a job's ranks to their end; where one fails, the others are given a moment, and then killed."""
    data, pipeline, tensor = job["grid"]
    grid = Grid(data_degree=data, pipeline_degree=pipeline, tensor_degree=tensor)
    processes = {_fork(job, grid, rank, folder): rank for rank in range(grid.world_size)}
    allowed = _JOIN_SECONDS
    deadline = time.monotonic() + allowed
    have_joined = False
    problems: list[str] = []
    while processes:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not have_joined and not problems and all(_joined(folder, rank).exists() for rank in range(grid.world_size)):
            have_joined = True
            allowed = job["timeout_seconds"]
            deadline = time.monotonic() + allowed
        if pid == 0:
            if time.monotonic() > deadline:
                if not problems:
                    late = ", ".join(str(rank) for rank in sorted(processes.values()))
                    problems.append(f"not done after {allowed:g} s: rank {late}")
                _kill(processes)
            time.sleep(_POLL_SECONDS)
            continue
        rank = processes.pop(pid, None)
        if rank is not None and status != 0:
            if len(problems) == 0:
                deadline = min(deadline, time.monotonic() + _GRACE_SECONDS)
            problems.append(_describe(rank, status, folder))
    results = [] if problems else [json.loads(_result(folder, rank).read_text()) for rank in range(grid.world_size)]
    return {"problems": problems, "results": results}


def _fork(job: dict[str, Any], grid: Grid, rank: int, folder: Path) -> int:
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        torch.set_num_threads(1)
        function = _find(job["function"])
        how = {"device": job["device"], "timeout_seconds": max(_JOIN_SECONDS, job["timeout_seconds"])}
        with joined_world(grid, rank=rank, store=folder / "store", **how) as world:
            _joined(folder, rank).touch()
            result = function(world, *job["arguments"])
            _result(folder, rank).write_text(json.dumps(result))
        code = 0
    except BaseException:  # noqa: BLE001 - all of it belongs to the report
        (folder / f"error-{rank}").write_text(traceback.format_exc())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _find(place: str) -> Callable[..., Any]:
    where, _, name = place.rpartition(":")
    if where.endswith(".py"):
        module_name = f"_ranks_{Path(where).stem}"
        spec = importlib.util.spec_from_file_location(module_name, where)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    function: Callable[..., Any] = getattr(module, name)
    return function


def _joined(folder: Path, rank: int) -> Path:
    return folder / f"joined-{rank}"


def _result(folder: Path, rank: int) -> Path:
    return folder / f"result-{rank}"


def _describe(rank: int, status: int, folder: Path) -> str:
    error = folder / f"error-{rank}"
    if error.is_file():
        return f"rank {rank} raised:\n{error.read_text()}"
    code = os.waitstatus_to_exitcode(status)
    return f"rank {rank} died of {signal.Signals(-code).name}" if code < 0 else f"rank {rank} ended with {code}"


def _kill(processes: dict[int, int]) -> None:
    for pid in processes:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()

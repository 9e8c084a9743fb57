"""Runs a function on several ranks: gloo on CPU, over a temporary-file store, one thread each.

The first call starts a helper process that imports torch and fairscale once and then forks the ranks of each call, so
that many small cases cost little.
"""

from __future__ import annotations

import atexit
import contextlib
import inspect
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from domainlm.parallel.grid import Grid
from domainlm.testing.failure import CheckError

_START_SECONDS = 240.0  # the helper's own start, and the ranks' joining
_GRACE_SECONDS = 20.0


def run_on_ranks(
    function: str | Callable[..., Any],
    ranks: int | Grid,
    *arguments: Any,  # noqa: ANN401 - any JSON values
    timeout_seconds: float = 120.0,
    device: Literal["cpu", "cuda"] = "cpu",
) -> list[Any]:
    """Call `function(world, *arguments)` on every rank of a world of its own, at the same time.

    Args:
        function: "module:function", "path/to/file.py:function", or a function at the top of a module or a test file.
        ranks: how many, all of them data ranks; or a grid.
        arguments: JSON values; a path goes as its text.
        timeout_seconds: of all ranks together, once they have found each other.
        device: what the ranks compute on; each has a GPU of its own, over NCCL.

    Returns:
        What each rank returned, by world rank: JSON values.

    Raises:
        CheckError: a rank raised (with its traceback), died, or did not end in time; or no rank ran.
    """
    grid = Grid(data_degree=ranks) if isinstance(ranks, int) else ranks
    job: dict[str, Any] = {
        "function": _place(function),
        "grid": [grid.data_degree, grid.pipeline_degree, grid.tensor_degree],
        "arguments": arguments,
        "timeout_seconds": timeout_seconds,
        "device": device,
    }
    answer = _server().ask(job, timeout_seconds + _GRACE_SECONDS)
    if answer["problems"] or len(answer["results"]) != grid.world_size:
        raise CheckError(
            "\n".join(answer["problems"]) or "not every rank gave a result",
            where=job["function"],
            given=f"{grid.world_size} rank(s)",
        )
    results: list[Any] = answer["results"]
    return results


def _place(function: str | Callable[..., Any]) -> str:
    if isinstance(function, str):
        return function
    if "." in function.__qualname__ or function.__name__ == "<lambda>":
        raise CheckError("not a function at the top of a module", where="run_on_ranks", given=function.__qualname__)
    if function.__module__.startswith("domainlm"):
        return f"{function.__module__}:{function.__name__}"
    return f"{inspect.getfile(function)}:{function.__name__}"


class _Server:
    """The helper process; jobs go in and answers come out as lines of JSON."""

    def __init__(self) -> None:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "domainlm.testing.rank_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **dict.fromkeys(names, "1"), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            cwd=Path.cwd(),
        )

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Have a job done.

        Raises:
            CheckError: the helper died or hung.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        seconds += _START_SECONDS
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        except BaseException:  # a test's own time limit, Ctrl-C: the late answer must not be taken for the next one's
            self.close()
            raise
        finally:
            timer.cancel()
        if not line:
            self.close()
            raise CheckError("the process that starts ranks died", where=job["function"], given="no answer")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it, and with it the ranks that still run."""
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()


_servers: list[_Server] = []


def _server() -> _Server:
    """The running helper, started where there is none."""
    if not _servers or not _servers[-1].is_alive:
        _close_servers()
        _servers.append(_Server())
    return _servers[-1]


@atexit.register
def _close_servers() -> None:
    while _servers:
        _servers.pop().close()

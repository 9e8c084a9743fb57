"""Killed by SIGKILL at any moment and started again."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from pretraining_world import World, bytes_of

from domainlm.train.assemble import pretrain

_MAX_KILLS = 8


@pytest.fixture(scope="module")
def start_run() -> Callable[[Mapping[str, Any]], BaseProcess]:
    """Starts `pretrain` in a process of its own; they are forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["domainlm.train.assemble"])

    def start(arguments: Mapping[str, Any]) -> BaseProcess:
        process = context.Process(target=pretrain, kwargs=dict(arguments))
        process.start()
        return process

    return start


def _moments(work: Path) -> Iterator[Callable[[], bool]]:
    """When to kill, in turn: while a checkpoint is written, while one is removed, some time after the start."""
    choose = random.Random(1)  # noqa: S311 - no secrets

    def exists(pattern: str, after: float) -> Callable[[], bool]:
        started = time.monotonic()
        return lambda: (
            time.monotonic() - started > after and next((work / "checkpoints").glob(pattern), None) is not None
        )

    while True:
        yield exists("step-*", choose.uniform(0.0, 0.1))
        yield exists(".*.partial", choose.uniform(0.0, 0.1))
        yield exists(".*.partial/manifest.json", choose.uniform(0.0, 0.1))
        yield exists(".*.removed", choose.uniform(0.0, 0.1))
        deadline = time.monotonic() + choose.uniform(0.0, 0.3)
        yield lambda deadline=deadline: time.monotonic() > deadline  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.timeout(600)  # every life of the run waits for many a disk
def test_killed_again_and_again_it_ends_with_the_same_bytes(
    world: World, undisturbed: Path, tmp_path: Path, start_run: Callable[[Mapping[str, Any]], BaseProcess]
) -> None:
    num_kills = 0
    for is_time in _moments(tmp_path):
        process = start_run(world.arguments(tmp_path))
        while process.is_alive() and not (num_kills < _MAX_KILLS and is_time()):
            time.sleep(0.0005)
        is_killed = process.is_alive()
        process.kill()
        process.join()
        if not is_killed:
            break
        num_kills += 1

    assert process.exitcode == 0
    assert num_kills >= _MAX_KILLS // 2
    assert bytes_of(tmp_path) == bytes_of(undisturbed)

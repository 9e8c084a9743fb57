"""From what went wrong to exit code and message."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import domainlm

Fixture = Callable[..., Any]

_PLUGIN = """
import errno, os, signal, sys, time
import click
import domainlm.errors
from domainlm import hookimpl
from domainlm.api import DataError

def _storage(number):
    raise OSError(number, os.strerror(number), "/deck/log")

def _wait():
    click.echo("waiting")
    sys.stdout.flush()
    time.sleep(30)

def _flood():
    for number in range(100000):
        click.echo(number)

def _user_error():
    raise DataError("no such port", where="chart.txt:3", given="Osol", allowed=["Oslo"])

def _bug():
    raise RuntimeError("hull breach")

def _told_bug():
    try:
        _bug()
    except RuntimeError as error:
        error.add_note(domainlm.errors.TOLD)
        raise

def _no_memory():
    import torch
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

def _abort():
    raise click.Abort

def _broken_pipe_inside():
    raise BrokenPipeError(errno.EPIPE, "a pipe of our own")

_COMMANDS = {
    "fine": lambda: click.echo("fine"),
    "user-error": _user_error,
    "bug": _bug,
    "told-bug": _told_bug,
    "no-memory": _no_memory,
    "full": lambda: _storage(errno.ENOSPC),
    "readonly": lambda: _storage(errno.EROFS),
    "lost": lambda: _storage(errno.ENOENT),
    "below-a-file": lambda: _storage(errno.ENOTDIR),
    "folder": lambda: _storage(errno.EISDIR),
    "long": lambda: _storage(errno.ENAMETOOLONG),
    "odd": lambda: _storage(errno.EIO),
    "abort": _abort,
    "interrupt": lambda: os.kill(os.getpid(), signal.SIGINT),
    "inner-pipe": _broken_pipe_inside,
    "wait": _wait,
    "flood": _flood,
}

@hookimpl
def domainlm_commands():
    return [click.Command(name, callback=callback) for name, callback in _COMMANDS.items()]
"""


@pytest.fixture
def harbour(install: Fixture, domainlm_process: Fixture) -> Fixture:
    """Call the commands of a plugin that fails in every way."""
    install("domainlm-harbour", _PLUGIN)
    return domainlm_process


def test_success_is_0(harbour: Fixture) -> None:
    ended = harbour("fine")

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "fine\n", "")


def test_a_user_error_is_2_without_traceback(harbour: Fixture) -> None:
    ended = harbour("user-error")

    assert ended.returncode == 2
    assert ended.stderr == ("error: chart.txt:3: no such port\n  given:   Osol\n  allowed: Oslo\n  nearest: Oslo\n")


def test_verbose_shows_the_traceback_of_a_user_error(harbour: Fixture) -> None:
    ended = harbour("-v", "user-error")

    assert ended.returncode == 2
    assert "Traceback" in ended.stderr


def test_wrong_usage_is_2(harbour: Fixture) -> None:
    assert harbour("fine", "--speed").returncode == 2


_GIVEN_BY = "The command '{}' is given by plugin domainlm-harbour 2.0."


def test_a_bug_is_1_with_traceback_and_what_to_report(harbour: Fixture) -> None:
    ended = harbour("bug")

    assert f"RuntimeError: hull breach\n{_GIVEN_BY.format('bug')}\n" in ended.stderr

    assert ended.returncode == 1
    assert "RuntimeError: hull breach" in ended.stderr
    assert "Please report it" in ended.stderr


def test_a_traceback_that_was_shown_is_not_shown_again(harbour: Fixture) -> None:
    ended = harbour("told-bug")

    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    told = f"RuntimeError: hull breach\n(its traceback is shown above)\n{_GIVEN_BY.format('told-bug')}\n\nThis is a bug"
    assert ended.stderr.startswith(told)


def test_too_little_memory_is_no_bug_where_nothing_is_trained_either(harbour: Fixture) -> None:
    ended = harbour("no-memory")

    assert ended.returncode == 2
    assert "error: a GPU's memory is used up" in ended.stderr
    assert "nvidia-smi" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("full", "the disk is full"),
        ("readonly", "the file system is read-only"),
        ("lost", "no such file or folder"),
        ("below-a-file", "a part of this path is a file, not a folder"),
        ("folder", "is a folder, not a file"),
        ("long", "the name is too long for this file system"),
    ],
)
def test_storage_errors_are_2_and_name_the_place(harbour: Fixture, command: str, problem: str) -> None:
    ended = harbour(command)

    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: /deck/log: {problem}")


def test_another_error_of_the_system_is_a_bug(harbour: Fixture) -> None:
    assert harbour("odd").returncode == 1


@pytest.mark.parametrize("command", ["interrupt", "abort"])
def test_ctrl_c_is_130(harbour: Fixture, command: str) -> None:
    ended = harbour(command)

    assert ended.returncode == 130
    assert ended.stderr == "interrupted; run the same command again to go on\n"


def _start(tmp_path: Path, command: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(Path(domainlm.__file__).parents[1]), str(tmp_path)])
    return subprocess.Popen(
        [sys.executable, "-m", "domainlm", command],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [(signal.SIGTERM, 143, "terminated; run the same"), (signal.SIGINT, 130, "interrupted; run the same")],
)
def test_a_signal_ends_it_at_once(
    tmp_path: Path, install: Fixture, number: signal.Signals, code: int, message: str
) -> None:
    install("domainlm-harbour", _PLUGIN)
    with _start(tmp_path, "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        sent = time.monotonic()
        process.send_signal(number)
        _, stderr = process.communicate(timeout=50)

    assert process.returncode == code
    assert stderr.startswith(message)
    assert time.monotonic() - sent < 25


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, install: Fixture) -> None:
    install("domainlm-harbour", _PLUGIN)
    with _start(tmp_path, "flood") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        process.stdout.close()
        process.stdout = None
        _, stderr = process.communicate(timeout=50)

    assert process.returncode == 141
    assert stderr == ""


def test_a_broken_pipe_elsewhere_is_a_bug(harbour: Fixture) -> None:
    assert harbour("inner-pipe").returncode == 1


_WRECK = "import no_such_sextant\n"


def test_with_a_broken_plugin_commands_that_use_plugins_refuse(install: Fixture, domainlm_process: Fixture) -> None:
    install("domainlm-wreck", _WRECK)

    for arguments in (
        ("run", "x.toml"),
        ("recipe", "list"),
        ("vocab", "rate", "v.txt", "--task", "a/b", "--file", "x"),
    ):
        ended = domainlm_process(*arguments)
        assert ended.returncode == 2
        assert ended.stderr.startswith("error: plugin domainlm-wreck 2.0: the plugin cannot be imported")


def test_with_a_broken_plugin_the_list_shows_the_cause(install: Fixture, domainlm_process: Fixture) -> None:
    install("domainlm-wreck", _WRECK)
    install("domainlm-harbour", _PLUGIN)

    ended = domainlm_process("plugins", "list")

    assert ended.returncode == 0
    assert "broken: plugin domainlm-wreck 2.0: the plugin cannot be imported: ModuleNotFoundError" in ended.stdout
    assert "17 commands" in ended.stdout


def test_a_broken_plugin_can_be_switched_off(install: Fixture, domainlm_process: Fixture) -> None:
    install("domainlm-wreck", _WRECK)

    assert domainlm_process("recipe", "list", DOMAINLM_DISABLE_PLUGINS="domainlm-wreck").returncode == 0


@pytest.mark.parametrize(
    ("variables", "leaves_at_once"),
    [
        ({"WORLD_SIZE": "2"}, False),  # a scheduler's, with no ranks
        ({"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "here", "MASTER_PORT": "1"}, False),
        ({"RANK": "x", "WORLD_SIZE": "2", "MASTER_ADDR": "here", "MASTER_PORT": "1"}, False),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "here", "MASTER_PORT": "1"}, True),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, True),
    ],
)
def test_only_a_rank_of_several_leaves_at_once(variables: dict[str, str], leaves_at_once: bool) -> None:
    """`os._exit` is what a process must not do that has more to say: here, that it is at its end."""
    code = (
        "import atexit; from domainlm.cli import main; atexit.register(print, 'at its end')\n"
        "main.main = lambda: 0\nmain.program()"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **variables}, capture_output=True, text=True, check=False, timeout=50
    )
    assert (done.returncode, done.stdout) == (0, "" if leaves_at_once else "at its end\n"), done.stderr

"""Failures inside plugins: which are theirs, which the user's, and what is said of where."""

from __future__ import annotations

import errno
import functools
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from domainlm.api import ProblemLog, TaskSpec
from domainlm.api.failures import blamed, lent, read_by
from domainlm.builtin.formats.conll import read_conll
from domainlm.errors import DataError, PluginError

MODULE = "domainlm_failing_harbour"
METADATA = "Metadata-Version: 2.1\nName: domainlm-harbour\nVersion: 2.0\n"
CODE = """
import gzip, os
from domainlm.api import DataError

def fails(path, problems=None):
    FAILS
    yield
"""


@pytest.fixture
def reader_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A reader of an installed plugin that does this."""

    def make(fails: str) -> Any:  # noqa: ANN401 - a function of a module made here
        site = tmp_path / "site"
        (site / "harbour-2.0.dist-info").mkdir(parents=True, exist_ok=True)
        (site / "harbour-2.0.dist-info" / "METADATA").write_text(METADATA, encoding="utf-8")
        (site / "harbour-2.0.dist-info" / "entry_points.txt").write_text(f"[domainlm]\nmain={MODULE}\n", "utf-8")
        (site / f"{MODULE}.py").write_text(CODE.replace("FAILS", fails), encoding="utf-8")
        monkeypatch.syspath_prepend(site)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)  # another module may follow within a second
        monkeypatch.delitem(sys.modules, MODULE, raising=False)
        return __import__(MODULE).fails

    return make


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.txt"
    path.write_text("The Vega left.\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        ("(path.parent / 'pilots.txt').open()", r"FileNotFoundError: .*pilots\.txt'"),
        ("path.parent.open()", "IsADirectoryError: .*"),
        ("raise PermissionError(13, 'denied', '/var/pilots')", r"PermissionError: \[Errno 13\] denied: '/var/pilots'"),
        ("gzip.open(path).read()", "BadGzipFile: Not a gzipped file.*"),
        ("raise TimeoutError('too slow')", "TimeoutError: too slow"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("exit()", "SystemExit: None"),
        ("import argparse; argparse.ArgumentParser().parse_args(['--tide'])", "SystemExit: 2"),
    ],
)
def test_an_error_of_the_system_names_the_plugin_and_its_line(
    reader_that: Callable[[str], Any], log: Path, fails: str, told: str
) -> None:
    with pytest.raises(PluginError) as caught:
        list(read_by(reader_that(fails), "harbour/logs@1", log, ProblemLog()))

    head = (
        rf"plugin domainlm-harbour 2\.0, harbour/logs@1, \S+{MODULE}\.py:6: the reader failed at {re.escape(str(log))}"
    )
    assert re.match(f"{head}: {told}\n", str(caught.value)), caught.value


@pytest.mark.parametrize("fails", ["path.open()", "os.listdir(path)", "open(os.path.relpath(path))"])
def test_one_about_the_users_own_file_is_the_users(
    reader_that: Callable[[str], Any], tmp_path: Path, fails: str
) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_by(reader_that(fails), "harbour/logs@1", tmp_path / "nowhere.txt", ProblemLog()))


def _end(number: int, _: object) -> None:
    raise SystemExit(number)


def _end_once(number: int, _: object) -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    raise SystemExit(number)


class _Ender:
    def __call__(self, number: int, frame: object) -> None:
        _end(number, frame)


@pytest.mark.parametrize(
    "handler",
    [
        _end,
        _end_once,
        _Ender(),
        functools.partial(lambda _, number, frame: _end(number, frame), "x"),
        lambda *given: _end(int(given[0]), given[1]),
    ],
)
def test_a_program_whose_handler_of_a_signal_ends_it_may_end(
    reader_that: Callable[[str], Any], log: Path, handler: Callable[..., None]
) -> None:
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(SystemExit, match=str(int(signal.SIGUSR1))):
            list(read_by(reader_that("os.kill(os.getpid(), problems)"), "harbour/logs@1", log, signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_companion_is_the_users_file_too(reader_that: Callable[[str], Any], log: Path) -> None:
    def read(fails: str) -> list[Any]:
        beside = {"companions": lambda path: (path.with_suffix(".labels"),)}
        return list(read_by(reader_that(fails), "harbour/ships@1", log, None, **beside))

    with pytest.raises(FileNotFoundError):
        read("path.with_suffix('.labels').open()")
    for name in ("path.with_suffix('.labels')", "os.path.relpath(path.with_suffix('.labels'))"):
        with pytest.raises(DataError) as caught:
            read(f"from domainlm.reading import open_text; list(open_text(__import__('pathlib').Path({name})))")
        assert not str(caught.value).startswith("plugin"), "as one fault, however its path is written"


def test_a_longer_name_is_another_file(reader_that: Callable[[str], Any], log: Path) -> None:
    read = reader_that("raise DataError('no ship', where=f'{path}.lexicon:3')")
    with pytest.raises(DataError, match=r"^plugin domainlm-harbour 2\.0, harbour/logs@1, .*log\.txt\.lexicon:3: no"):
        list(read_by(read, "harbour/logs@1", log, None))


def test_a_plugin_s_function_that_wraps_one_of_the_core_is_the_plugin_s(
    reader_that: Callable[[str], Any], log: Path
) -> None:
    read = functools.wraps(read_conll)(reader_that("raise KeyError('stem')"))
    with pytest.raises(PluginError, match=r"^plugin domainlm-harbour 2\.0, harbour/logs@1, .*KeyError: 'stem'"):
        list(read_by(read, "harbour/logs@1", log, None))


def test_what_a_plugin_iterates_is_not_its_fault(reader_that: Callable[[str], Any]) -> None:
    def sentences() -> Iterator[str]:
        yield "The Vega left."
        raise KeyError("core")

    learn = reader_that("return list(path)\n    return\ndef unused():")
    with pytest.raises(KeyError, match="core"), lent(sentences()) as given, blamed(learn, "harbour/words@1", "failed"):
        learn(given)
    learn = reader_that("raise KeyError(len(list(path)))\n    return\ndef unused():")
    with pytest.raises(PluginError, match="KeyError: 2"), lent(["a", "b"]) as given, blamed(learn, "w@1", "failed"):
        learn(given)


def test_a_reader_s_own_error_that_does_not_say_where_is_given_the_file(
    reader_that: Callable[[str], Any], log: Path
) -> None:
    read = reader_that("raise DataError('no ship', where=problems, given='3 boats')")
    with pytest.raises(DataError) as caught:
        list(read_by(read, "harbour/logs@1", log, None))
    assert caught.value.where == str(log)
    assert str(caught.value) == f"{log}: no ship\n  given:   3 boats"
    with pytest.raises(DataError, match=r"^line 3: no ship"):
        list(read_by(read, "harbour/logs@1", log, "line 3"))


def test_one_about_another_file_names_the_plugin_that_opened_it(reader_that: Callable[[str], Any], log: Path) -> None:
    read = reader_that("from domainlm.reading import open_text; list(open_text(problems))")
    lexicon = log.with_name("lexicon.txt")
    with pytest.raises(DataError) as caught:
        list(read_by(read, "harbour/logs@1", log, lexicon))
    assert str(caught.value).startswith(
        f"plugin domainlm-harbour 2.0, harbour/logs@1, {lexicon}: no such file or folder\n"
    )
    log.write_bytes(b"\xff\n")
    with pytest.raises(DataError) as caught:
        list(read_by(read, "harbour/logs@1", log, log))
    assert caught.value.where == f"{log}:1", "the user's own file is the user's"


def test_a_full_disk_is_nobodys(reader_that: Callable[[str], Any], log: Path) -> None:
    for number in (errno.ENOSPC, errno.EROFS):
        fails = f"raise OSError({number}, 'no room', '/tmp/cache')"
        with pytest.raises(OSError, match="no room"):
            list(read_by(reader_that(fails), "harbour/logs@1", log, ProblemLog()))


def test_a_sample_s_folder_that_cannot_be_written_is_the_users(
    reader_that: Callable[[str], Any], tmp_path: Path
) -> None:
    denied = "raise PermissionError(13, 'denied', str(path / 'ships.txt'))\n    return\ndef unused():"
    write = reader_that(denied.replace("raise", "problems;raise"))
    with pytest.raises(PermissionError), blamed(write, "harbour/logs@1", "failed", chosen=lambda: (tmp_path,)):
        write(tmp_path)
    write = reader_that("(path / 'text' / 'a.txt').write_text('x')\n    return\ndef unused():")
    with (
        pytest.raises(PluginError, match="FileNotFoundError"),
        blamed(write, "harbour/logs@1", "failed", chosen=lambda: (tmp_path,)),
    ):
        write(tmp_path)


def test_a_question_that_is_broken_off_is_no_failure(reader_that: Callable[[str], Any], log: Path) -> None:
    with pytest.raises(click.Abort):
        list(read_by(reader_that("import click; raise click.Abort"), "harbour/logs@1", log, ProblemLog()))
    with pytest.raises(PluginError, match="the reader failed at"):
        list(read_by(reader_that("import click; raise click.exceptions.Exit(0)"), "harbour/logs@1", log, ProblemLog()))


@pytest.mark.parametrize("place", ["{path} line 3", "{path}#3", "{path}[3]", "{path}!ship.xml", "{path}; row 3"])
def test_a_place_in_the_users_file_may_be_told_in_any_way(
    reader_that: Callable[[str], Any], log: Path, place: str
) -> None:
    with pytest.raises(DataError) as caught:
        list(read_by(reader_that(f"raise DataError('no ship', where=f'{place}')"), "harbour/logs@1", log, None))
    assert caught.value.where == place.format(path=log)


def _read_nothing(_: Path, __: ProblemLog) -> Iterator[Any]:
    yield from ()


@pytest.mark.parametrize(
    ("gives", "told"),
    [
        ("raise KeyError('stem')", "`companions` failed at LOG: KeyError: 'stem'\n"),
        ("yield path; open('/nowhere/pilots.txt')", "`companions` failed at LOG: FileNotFoundError: .*/nowhere/pilots"),
        (
            "return 'pilots.txt'",
            r"must give paths\n  given:   'pilots.txt'\n  allowed: a tuple of pathlib.Path",
        ),
        ("return path", r"`companions` must give paths\n  given:   PosixPath"),
        ("return (path.name,)", r"`companions` must give paths\n  given:   \('log.txt',\)"),
        ("return None", r"`companions` must give paths\n  given:   None"),
    ],
)
def test_companions_that_fail_or_are_no_paths_name_the_plugin(
    reader_that: Callable[[str], Any], log: Path, gives: str, told: str
) -> None:
    companions = reader_that(gives if "yield" in gives else f"{gives}\n    return\ndef unused():")
    spec = TaskSpec(name="harbour/ships", description="x", kind="token", read=_read_nothing, companions=companions)

    with pytest.raises(PluginError) as caught:
        spec.with_companions(log)

    assert str(caught.value).startswith("plugin domainlm-harbour 2.0, harbour/ships@1, ")
    assert re.search(told.replace("LOG", re.escape(str(log))), str(caught.value)), caught.value


def test_companions_may_be_any_sort_of_sequence(log: Path) -> None:
    spec = TaskSpec(
        name="harbour/ships",
        description="x",
        kind="token",
        read=_read_nothing,
        companions=lambda path: iter([path.with_name("gone.txt"), path]),  # type: ignore[arg-type,return-value]
    )

    assert spec.with_companions(log) == (log, log)

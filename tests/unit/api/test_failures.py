"""Failures inside plugins: which are theirs, which the user's, and what is said of where."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import ProblemLog
from domainlm.api.failures import read_by
from domainlm.errors import PluginError

MODULE = "domainlm_failing_harbour"
METADATA = "Metadata-Version: 2.1\nName: domainlm-harbour\nVersion: 2.0\n"
CODE = """
import gzip, os

def fails(path, problems):
    FAILS
    yield
"""


@pytest.fixture
def reader_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A reader of an installed plugin that does this."""

    def make(fails: str) -> Any:  # noqa: ANN401 - a function of a module made here
        site = tmp_path / "site"
        (site / "harbour-2.0.dist-info").mkdir(parents=True)
        (site / "harbour-2.0.dist-info" / "METADATA").write_text(METADATA, encoding="utf-8")
        (site / "harbour-2.0.dist-info" / "entry_points.txt").write_text(f"[domainlm]\nmain={MODULE}\n", "utf-8")
        (site / f"{MODULE}.py").write_text(CODE.replace("FAILS", fails), encoding="utf-8")
        monkeypatch.syspath_prepend(site)
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
    ],
)
def test_an_error_of_the_system_names_the_plugin_and_its_line(
    reader_that: Callable[[str], Any], log: Path, fails: str, told: str
) -> None:
    with pytest.raises(PluginError) as caught:
        list(read_by(reader_that(fails), "harbour/logs@1", log, ProblemLog()))

    head = (
        rf"plugin domainlm-harbour 2\.0, harbour/logs@1, \S+{MODULE}\.py:5: the reader failed at {re.escape(str(log))}"
    )
    assert re.match(f"{head}: {told}\n", str(caught.value)), caught.value


@pytest.mark.parametrize("fails", ["path.open()", "os.listdir(path)", "open(os.path.relpath(path))"])
def test_one_about_the_users_own_file_is_the_users(
    reader_that: Callable[[str], Any], tmp_path: Path, fails: str
) -> None:
    with pytest.raises(FileNotFoundError):
        list(read_by(reader_that(fails), "harbour/logs@1", tmp_path / "nowhere.txt", ProblemLog()))


def test_a_full_disk_is_nobodys(reader_that: Callable[[str], Any], log: Path) -> None:
    fails = f"raise OSError({errno.ENOSPC}, 'No space left on device', '/tmp/cache')"
    with pytest.raises(OSError, match="No space left"):
        list(read_by(reader_that(fails), "harbour/logs@1", log, ProblemLog()))

"""`domainlm corpus fetch` and `domainlm task fetch`: options, messages, exit codes, and ends by signals."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

import domainlm
from domainlm.api import FetchError
from domainlm.cli.group import cli
from domainlm.cli.state import CliState
from domainlm.plugin import Provider, load_plugins
from domainlm.plugin.discovery import Candidate

if TYPE_CHECKING:
    from conftest import Web

Payload = Callable[..., bytes]
_CORE = Path(domainlm.__file__).parents[1]
LENGTH = 2_000_000
PLUGIN = r'''
"""Logbooks of a harbour."""

from domainlm import hookimpl
from domainlm.api import (
    ArchiveMember, CorpusSpec, FetchPlan, FetchSource, FolderListing, Registration, RemoteFile, TaskSpec,
)

LISTING = FolderListing(pattern=r"log(?P<number>\d{4})\.txt", checksum_suffix=".md5")
ARCHIVE = RemoteFile(name="task.zip", urls=("task.zip",), members=(ArchiveMember(path="t/train.txt"),))


def read(path, problems):
    yield from ()


@hookimpl
def domainlm_corpora():
    sources = (
        FetchSource(name="logs", description="logbooks", base_url="http://harbour.invalid/logs", files=LISTING,
                    size="3 files of 2 MB", max_connections=2),
        FetchSource(name="updates", description="later ones", base_url="http://harbour.invalid/new/", files=LISTING),
    )
    plan = FetchPlan(licence="CC BY 4.0", sources=sources)
    return [
        CorpusSpec(name="harbour/logs", description="logbooks", read=read, fetch=plan),
        CorpusSpec(name="harbour/private", description="letters", read=read),
    ]


@hookimpl
def domainlm_tasks():
    source = FetchSource(name="task", description="a task", base_url="http://harbour.invalid/", files=(ARCHIVE,))
    registration = Registration(
        url="https://harbour.example/register",
        instructions="download cargo.zip there\nand unpack cargo/*.tsv into the folder of the task",
        files=("train.tsv", "test.tsv"),
    )
    return [
        TaskSpec(name="harbour/ships", description="ships", kind="token", read=read,
                 fetch=FetchPlan(licence="CC0", sources=(source,))),
        TaskSpec(name="harbour/cargo", description="cargo", kind="token", read=read,
                 fetch=FetchPlan(licence="on request", registration=registration)),
    ]
'''


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call a command in this process; user errors are left as exceptions."""
    module = ModuleType("harbour")
    exec(compile(PLUGIN, "harbour.py", "exec"), module.__dict__)  # noqa: S102 - the text above

    def invoke(*arguments: str) -> Result:
        state = CliState()
        state.all_plugins = load_plugins(
            strict=False, candidates=[Candidate(Provider("harbour", "1.0", "main"), lambda: module)]
        )
        return CliRunner().invoke(cli, arguments, obj=state)

    return invoke


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start `python -m domainlm` with the plugin installed."""
    (tmp_path / "harbour.py").write_text(PLUGIN, encoding="utf-8")
    metadata = tmp_path / "harbour-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: harbour\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("[domainlm]\nmain = harbour\n", encoding="utf-8")

    def run(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "domainlm", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_CORE), str(tmp_path)]), "NO_PROXY": "127.0.0.1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.fixture
def logs(web: Web, payload: Payload) -> str:
    """Three logbooks on the server; returns the address of their folder."""
    for number in range(1, 4):
        web.with_md5(f"/logs/log{number:04}.txt", payload(LENGTH, number))
    links = "".join(f'<a href="{path.rsplit("/", 1)[-1]}">' for path in web.files)
    web.files["/logs/"] = links.encode()
    return f"{web.url}logs/"


def _wait_for(path: Path, num_bytes: int) -> None:
    for _ in range(600):
        if path.exists() and path.stat().st_size >= num_bytes:
            return
        time.sleep(0.02)
    pytest.fail(f"{path} did not grow to {num_bytes} bytes")


def test_chosen_files_come_with_a_summary(web: Web, logs: str, call: Callable[..., Result], tmp_path: Path) -> None:
    out = tmp_path / "data"
    result = call("corpus", "fetch", "harbour/logs", "--files", "1,3", "--out", str(out), "--base-url", logs)
    assert result.exit_code == 0, result.exception
    assert sorted(path.name for path in out.glob("*")) == [".fetch", "log0001.txt", "log0003.txt"]
    assert result.stdout == f"{out}: 2 file(s) fetched; 4.0 MB\n"
    assert result.stderr == f"logbooks\nfrom {logs}\nlicence: CC BY 4.0\n"
    assert {asked.user_agent for asked in web.asked} == {f"domainlm/{domainlm.__version__}"}
    again = call("corpus", "fetch", "harbour/logs", "--files", "1-3", "--out", str(out), "--base-url", logs)
    assert again.stdout == f"{out}: 1 file(s) fetched, 2 there already; 6.0 MB\n"


def test_files_can_be_listed(logs: str, call: Callable[..., Result]) -> None:
    result = call("corpus", "fetch", "harbour/logs", "--list", "--files", "2-", "--base-url", logs)
    assert result.stdout == f"{logs}: logbooks\n2  log0002.txt\n3  log0003.txt\n"


def test_another_part_has_another_address(web: Web, call: Callable[..., Result]) -> None:
    result = call("corpus", "fetch", "harbour/logs", "--list", "--part", "updates", "--base-url", f"{web.url}new")
    assert "new/: not there (404 Not Found)" in str(result.exception)
    assert [asked.path for asked in web.asked] == ["/new/"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("harbour/logs", "--files", "1"), "say where to put the files: --out DIR"),
        (("harbour/logs", "--out", "x"), "say which files, as in --files 1-20 (3 files of 2 MB), or --files all"),
        (("harbour/logs", "--files", "1", "--out", "x", "--connections", "3"), "asked for 2 files at once at most"),
    ],
)
def test_what_is_left_unsaid_is_asked_for(
    arguments: tuple[str, ...], message: str, call: Callable[..., Result], tmp_path: Path
) -> None:
    result = call("corpus", "fetch", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("corpus", "fetch", "harbour/private"), "this spec does not say how to fetch its data"),
        (("corpus", "fetch", "harbour/log"), "unknown corpus"),
        (("corpus", "fetch", "harbour/logs", "--files", "x", "--out", "y"), "not a choice of files"),
        (("task", "fetch", "harbour/cargo", "--out", "y"), "this data needs a registration"),
    ],
)
def test_what_cannot_be_fetched_is_a_user_error(
    arguments: tuple[str, ...], message: str, call: Callable[..., Result]
) -> None:
    assert message in str(call(*arguments).exception)


def test_a_task_is_fetched_and_unpacked(web: Web, call: Callable[..., Result], tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("t/train.txt", "Argo\tB-SHIP\n")
    web.files["/task.zip"] = packed.getvalue()
    result = call("task", "fetch", "harbour/ships", "--out", str(tmp_path / "data"), "--base-url", web.url)
    assert result.exit_code == 0, result.exception
    assert (tmp_path / "data" / "train.txt").read_text() == "Argo\tB-SHIP\n"


def test_a_registration_ends_with_2_and_says_what_to_put_where(start: Callable[..., subprocess.Popen[str]]) -> None:
    process = start("task", "fetch", "harbour/cargo", "--out", "data")
    out, err = process.communicate(timeout=50)
    assert (process.returncode, out) == (2, "")
    assert "register at https://harbour.example/register" in err
    assert "and unpack cargo/*.tsv into the folder of the task" in err
    assert "train.tsv, test.tsv" in err
    assert "Traceback" not in err


def test_failures_end_with_2(web: Web, logs: str, start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    web.every("/logs/log0002.txt", status=500)
    options = ("--files", "1-3", "--out", "data", "--base-url", logs, "--attempts", "2")
    process = start("corpus", "fetch", "harbour/logs", *options)
    _, err = process.communicate(timeout=50)
    assert process.returncode == 2
    assert "error: data: 1 file(s) could not be fetched, 2 are there" in err
    assert "log0002.txt: the server answers 500 Internal Server Error" in err
    assert len(web.asked_for("/logs/log0002.txt")) == 2
    assert len(list((tmp_path / "data").glob("*.txt"))) == 2


@pytest.mark.parametrize("silent", [False, True], ids=["slow", "silent"])
@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (signal.SIGINT, 130, "interrupted; run the same command again to go on\n"),
        (signal.SIGTERM, 143, "terminated; run the same command again to go on\n"),
        (signal.SIGKILL, -9, ""),
    ],
)
def test_an_end_by_a_signal_is_gone_on_from(
    number: signal.Signals,
    code: int,
    message: str,
    silent: bool,
    web: Web,
    logs: str,
    start: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
) -> None:
    path = "/logs/log0001.txt"
    if silent:
        web.next(path, stall_after=524_288, seconds=60.0)
    else:
        web.next(path, slow=True, seconds=0.02)
    options = ("corpus", "fetch", "harbour/logs", "--files", "1", "--out", "data", "--base-url", logs)
    process = start(*options)
    part = tmp_path / "data" / "log0001.txt.part"
    _wait_for(part, 524_288)
    process.send_signal(number)
    began = time.monotonic()
    _, err = process.communicate(timeout=50)
    assert time.monotonic() - began < 25.0  # although the server is silent for a minute
    assert process.returncode == code
    assert err.endswith(message)
    assert "Traceback" not in err
    kept = part.stat().st_size
    assert 524_288 <= kept < LENGTH
    assert not part.with_suffix("").exists()
    process = start(*options)
    out, _ = process.communicate(timeout=50)
    assert (process.returncode, out) == (0, "data: 1 file(s) fetched; 2.0 MB\n")
    assert web.ranges(path) == [None, f"bytes={kept}-"]
    assert part.with_suffix("").read_bytes() == web.files[path]
    assert not part.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs ulimit")
def test_a_file_larger_than_allowed_is_a_storage_error(
    web: Web, logs: str, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
    try:
        process = start("corpus", "fetch", "harbour/logs", "--files", "1", "--out", "data", "--base-url", logs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    _, err = process.communicate(timeout=50)
    assert process.returncode == 2
    assert "the file would be larger than this system allows" in err
    assert (tmp_path / "data" / "log0001.txt.part").stat().st_size == 500_000


def test_nothing_heavy_is_loaded(start: Callable[..., subprocess.Popen[str]]) -> None:
    code = (
        "import sys, domainlm.cli.corpus_fetch, domainlm.cli.task_fetch; "
        "print([name for name in ('torch', 'numpy', 'tokenizers', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=_CORE, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "[]\n"


def test_a_message_of_one_failure_is_its_own(web: Web, call: Callable[..., Result], tmp_path: Path) -> None:
    result = call("task", "fetch", "harbour/ships", "--out", str(tmp_path / "data"), "--base-url", web.url)
    assert isinstance(result.exception, FetchError)
    assert str(result.exception).startswith(
        f"{web.url}task.zip: not there (404 Not Found)\n  remedy:  check the address"
    )

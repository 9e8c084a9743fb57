"""Servers that refuse, fail or cannot be reached: what is tried again, how often, and what users are told."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from domainlm.api import FetchError, RemoteFile
from domainlm.errors import StorageError, storage_error
from domainlm.fetch import partial
from domainlm.fetch.faults import Fault, UnreachableError, faults_of, retry_after_seconds
from domainlm.fetch.policy import Budget, Policy

if TYPE_CHECKING:
    from conftest import Web

    from domainlm.fetch.engine import Report

Fetch = Callable[..., "Report"]
LOG = RemoteFile(name="log.gz", urls=("log.gz",))


@pytest.fixture(autouse=True)
def _log(web: Web) -> None:
    web.files["/log.gz"] = b"fair wind"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "400 Bad Request"),
        (401, r"does not let us in \(401 Unauthorized\)"),
        (403, r"does not let us in \(403 Forbidden\)"),
        (404, r"not there \(404 Not Found\)"),
        (410, r"not there \(410 Gone\)"),
        (418, "418"),
        (799, "the server answers 799"),
    ],
)
def test_what_will_not_pass_is_asked_once(status: int, message: str, web: Web, fetch: Fetch) -> None:
    web.every("/log.gz", status=status)
    with pytest.raises(FetchError, match=message) as raised:
        fetch(LOG)
    assert len(web.asked) == 1
    assert raised.value.where == f"{web.url}log.gz"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int, web: Web, fetch: Fetch, tmp_path: Path) -> None:
    web.next("/log.gz", status=status)
    web.next("/log.gz", status=status)
    fetch(LOG)
    assert len(web.asked) == 3
    assert (tmp_path / "out" / "log.gz").read_bytes() == b"fair wind"


def test_a_server_that_goes_on_failing_is_left_after_the_granted_attempts(web: Web, fetch: Fetch) -> None:
    web.every("/log.gz", status=500)
    with pytest.raises(FetchError, match="500 Internal Server Error") as raised:
        fetch(LOG, attempts=3)
    assert len(web.asked) == 3
    assert raised.value.remedy == "run the same command again later: it goes on where it stopped"


def test_retry_after_is_heeded(web: Web, fetch: Fetch) -> None:
    web.next("/log.gz", status=503, headers=(("Retry-After", "1"),))
    began = time.monotonic()
    fetch(LOG)
    assert len(web.asked) == 2
    assert time.monotonic() - began >= 1.0


def test_retry_after_beyond_our_patience_ends_it(web: Web, fetch: Fetch) -> None:
    web.every("/log.gz", status=503, headers=(("Retry-After", "3600"),))
    with pytest.raises(FetchError, match="503 Service Unavailable"):
        fetch(LOG, patience_seconds=0.5, max_delay_seconds=1.0)
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("Mon, 05 Jan 2026 10:01:30 GMT", 90.0),
        ("Mon, 05 Jan 2026 09:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-3", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after_seconds(text, datetime(2026, 1, 5, 10, 0, tzinfo=UTC)) == seconds


def test_delays_double_up_to_the_longest() -> None:
    policy = Policy(
        attempts=9, first_delay_seconds=1.0, max_delay_seconds=5.0, patience_seconds=1e9, jitter=lambda: 1.0
    )
    budget = Budget(policy, clock=lambda: 0.0)
    fault = Fault("a break", may_pass=True)
    assert [budget.delay_after(fault, 0) for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_delays_are_drawn_from_the_upper_half() -> None:
    budget = Budget(Policy(first_delay_seconds=8.0, jitter=lambda: 0.0), clock=lambda: 0.0)
    assert budget.delay_after(Fault("a break", may_pass=True), 0) == 4.0


def test_patience_ends_by_the_clock_too() -> None:
    now = 0.0
    budget = Budget(Policy(attempts=100, patience_seconds=60.0, jitter=lambda: 0.0), clock=lambda: now)
    fault = Fault("a break", may_pass=True)
    budget.delay_after(fault, 0)
    now = 60.0
    with pytest.raises(Fault) as raised:
        budget.delay_after(fault, 0)
    assert raised.value is fault


def test_refused_connections_end_all(fetch: Fetch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    files = [RemoteFile(name=f"{n}.gz", urls=(f"http://127.0.0.1:{port}/{n}.gz",)) for n in range(50)]
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1 refuses connections") as raised:
        fetch(*files, attempts=2)
    assert raised.value.remedy == "check the network, the proxy settings and the address"


def test_an_unknown_name_is_told_apart(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_arguments: object, **_keywords: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    with pytest.raises(UnreachableError, match=r"the name harbour\.invalid cannot be found \(DNS\)"):
        fetch(RemoteFile(name="log.gz", urls=("http://harbour.invalid/log.gz",)))


def test_a_server_without_encryption_behind_https_is_told_apart(web: Web, fetch: Fetch) -> None:
    with pytest.raises(UnreachableError, match=r"no secure connection to 127\.0\.0\.1"):
        fetch(RemoteFile(name="log.gz", urls=(web.url.replace("http:", "https:") + "log.gz",)))


def test_a_silent_host_is_told_apart() -> None:
    with (
        pytest.raises(Fault, match=r"harbour\.invalid does not answer") as raised,
        faults_of("http://harbour.invalid/"),
    ):
        raise httpx2.ConnectTimeout("timed out")
    assert (raised.value.may_pass, raised.value.concerns_all) == (True, True)


def test_a_redirect_is_followed(web: Web, fetch: Fetch, tmp_path: Path) -> None:
    web.every("/old/log.gz", status=302, headers=(("Location", "/log.gz"),))
    fetch(RemoteFile(name="log.gz", urls=("old/log.gz",)))
    assert (tmp_path / "out" / "log.gz").read_bytes() == b"fair wind"


def test_redirects_in_circles_end(web: Web, fetch: Fetch) -> None:
    web.every("/log.gz", status=302, headers=(("Location", "/log.gz"),))
    with pytest.raises(FetchError, match="cannot be understood"):
        fetch(LOG)
    assert len(web.asked) == 6


def test_the_next_address_is_tried_where_one_fails_for_good(
    web: Web, fetch: Fetch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetch(RemoteFile(name="log.gz", urls=("gone/log.gz", "log.gz")))
    assert [asked.path for asked in web.asked] == ["/gone/log.gz", "/log.gz"]
    assert (tmp_path / "out" / "log.gz").read_bytes() == b"fair wind"
    assert "its next address is tried" in caplog.text


def test_a_wrong_checksum_is_fetched_once_more_and_then_refused(web: Web, fetch: Fetch, tmp_path: Path) -> None:
    web.files["/log.gz.md5"] = b"MD5(log.gz)= " + b"0" * 32
    with pytest.raises(
        FetchError, match=r"wrong checksum: its MD5 is a5d2621c270257b52a4d4f40722dad40, and 0{32} is stated"
    ):
        fetch(RemoteFile(name="log.gz", urls=("log.gz",), checksum_url="log.gz.md5"))
    assert [asked.path for asked in web.asked] == ["/log.gz.md5", "/log.gz", "/log.gz"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".fetch"]


def test_a_checksum_file_without_a_checksum_is_no_licence_to_go_without(web: Web, fetch: Fetch) -> None:
    web.files["/log.gz.md5"] = b"<html>maintenance</html>"
    with pytest.raises(FetchError, match=r"states no MD5 of log\.gz"):
        fetch(RemoteFile(name="log.gz", urls=("log.gz",), checksum_url="log.gz.md5"))


def test_a_disk_without_room_is_said_before_it_is_full(
    web: Web, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = partial.shutil.disk_usage(tmp_path)._replace(free=5)
    monkeypatch.setattr(partial.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(StorageError, match="the disk has no room: 9 bytes are to come, 5 are free"):
        fetch(LOG)


def test_a_disk_that_fills_up_ends_all_and_keeps_the_part(
    web: Web, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from domainlm.fetch import transfer

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    web.files["/log.gz"] = bytes(100_000)
    web.next("/log.gz", cut_after=50_000)
    with pytest.raises(FetchError):
        fetch(LOG, attempts=1)
    monkeypatch.setattr(transfer, "_write_all", full)
    with pytest.raises(OSError, match="No space left") as raised:
        fetch(LOG)
    assert storage_error(raised.value) is not None
    assert (tmp_path / "out" / "log.gz.part").stat().st_size == 50_000
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    fetch(LOG)
    assert web.ranges("/log.gz")[-1] == "bytes=50000-"

"""Breaks, and going on after them: the bytes, the requests and the offsets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from domainlm.api import FetchError, RemoteFile
from domainlm.fetch.journal import Entry, Journal

if TYPE_CHECKING:
    from conftest import Web

    from domainlm.fetch.engine import Report

LENGTH = 300_000
MIBIBYTE = 2**20
Fetch = Callable[..., "Report"]
Payload = Callable[..., bytes]


@pytest.fixture
def log(web: Web, payload: Payload) -> RemoteFile:
    """A file on the server, of which nothing is stated."""
    web.files["/log.gz"] = payload(LENGTH)
    return RemoteFile(name="log.gz", urls=("log.gz",))


def _stated(log: RemoteFile, web: Web) -> RemoteFile:
    return replace(log, sha256=hashlib.sha256(web.files["/log.gz"]).hexdigest())


def test_a_broken_transfer_goes_on_where_it_broke_off(web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path) -> None:
    web.next("/log.gz", cut_after=100_000)
    web.next("/log.gz", cut_after=50_000)
    report = fetch(log)
    assert (tmp_path / "out" / "log.gz").read_bytes() == web.files["/log.gz"]
    assert web.ranges("/log.gz") == [None, "bytes=100000-", "bytes=150000-"]
    etag = web.asked[1].if_range
    assert etag is not None
    assert etag.startswith('"')
    assert [asked.if_range for asked in web.asked] == [None, etag, etag]
    assert (report.num_fetched, report.num_bytes) == (1, LENGTH)


def test_nothing_but_the_file_is_left(web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path) -> None:
    web.next("/log.gz", cut_after=100_000)
    fetch(log)
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == ["log.gz"]


def test_the_next_call_goes_on_with_the_part(web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path) -> None:
    web.every("/log.gz", cut_after=0)
    web.next("/log.gz", cut_after=123_456)
    with pytest.raises(FetchError, match="the connection broke off after 123,456 of 300,000 bytes"):
        fetch(log)
    assert not (tmp_path / "out" / "log.gz").exists()
    assert (tmp_path / "out" / "log.gz.part").read_bytes() == web.files["/log.gz"][:123_456]
    web.always.clear()
    web.asked.clear()
    fetch(log)
    assert web.ranges("/log.gz") == ["bytes=123456-"]
    assert (tmp_path / "out" / "log.gz").read_bytes() == web.files["/log.gz"]


def test_what_is_there_is_not_asked_for_again(web: Web, log: RemoteFile, fetch: Fetch) -> None:
    fetch(log)
    report = fetch(log)
    assert len(web.asked) == 1
    assert (report.num_fetched, report.num_there, report.num_bytes) == (0, 1, LENGTH)


def test_a_server_without_ranges_is_asked_for_the_whole_file_again(
    web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path
) -> None:
    web.every("/log.gz", ignores_range=True)
    web.next("/log.gz", cut_after=100_000)
    fetch(log)
    assert web.ranges("/log.gz") == [None, "bytes=100000-"]
    assert (tmp_path / "out" / "log.gz").read_bytes() == web.files["/log.gz"]


@pytest.mark.parametrize("ignores_if_range", [False, True])
def test_a_file_that_changes_between_attempts_is_never_mixed(
    ignores_if_range: bool, web: Web, log: RemoteFile, fetch: Fetch, payload: Payload, tmp_path: Path
) -> None:
    old, new = web.files["/log.gz"], payload(LENGTH, 1)
    web.files["/log.gz"] = new
    web.next("/log.gz", body=old, cut_after=100_000)
    web.every("/log.gz", ignores_if_range=ignores_if_range)
    fetch(log)
    assert (tmp_path / "out" / "log.gz").read_bytes() == new
    assert web.ranges("/log.gz") == [None, "bytes=100000-", *([None] if ignores_if_range else [])]


def test_a_stop_at_the_worst_moment_mixes_nothing(
    web: Web, log: RemoteFile, fetch: Fetch, payload: Payload, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    web.next("/log.gz", cut_after=100_000)
    with pytest.raises(FetchError):
        fetch(log, attempts=1)
    write = Journal.write

    def write_and_stop(journal: Journal, entry: Entry) -> None:
        write(journal, entry)
        raise RuntimeError("stopped")

    new = web.files["/log.gz"] = payload(LENGTH, 1)
    monkeypatch.setattr(Journal, "write", write_and_stop)
    with pytest.raises(RuntimeError, match="stopped"):
        fetch(log)  # the new file is known of, and none of its bytes is here
    monkeypatch.setattr(Journal, "write", write)
    fetch(log)
    assert (tmp_path / "out" / "log.gz").read_bytes() == new
    assert web.ranges("/log.gz") == [None, "bytes=100000-", None]


def test_another_range_than_the_one_asked_for_is_not_taken(
    web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path
) -> None:
    web.next("/log.gz", cut_after=100_000)
    web.next("/log.gz", shift=-50_000, length=250_000)
    fetch(log)
    assert (tmp_path / "out" / "log.gz").read_bytes() == web.files["/log.gz"]
    assert web.ranges("/log.gz") == [None, "bytes=100000-", None]


def test_a_change_shows_by_the_date_too(
    web: Web, log: RemoteFile, fetch: Fetch, payload: Payload, tmp_path: Path
) -> None:
    dates = [(("Last-Modified", f"Mon, 05 Jan 2026 10:00:0{second} GMT"),) for second in range(2)]
    web.next("/log.gz", silent=True, headers=dates[0], body=payload(LENGTH, 1), cut_after=100_000)
    web.every("/log.gz", silent=True, headers=dates[1], ignores_if_range=True)
    fetch(log)
    assert (tmp_path / "out" / "log.gz").read_bytes() == web.files["/log.gz"]


def test_what_nobody_can_check_is_said(
    web: Web, log: RemoteFile, fetch: Fetch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    web.every("/log.gz", length=0)
    fetch(log)
    assert "neither its size nor a checksum is stated" in caplog.text
    caplog.clear()
    (tmp_path / "out" / "log.gz").unlink()
    fetch(_stated(log, web))
    assert caplog.text == ""


def test_without_validators_the_size_decides(
    web: Web, log: RemoteFile, fetch: Fetch, payload: Payload, tmp_path: Path
) -> None:
    old, new = web.files["/log.gz"], payload(LENGTH + 1, 1)
    web.every("/log.gz", silent=True)
    web.next("/log.gz", silent=True, body=old, cut_after=100_000)
    web.next("/log.gz", silent=True, body=old, cut_after=50_000)
    web.files["/log.gz"] = new
    fetch(log)
    assert (tmp_path / "out" / "log.gz").read_bytes() == new
    assert web.ranges("/log.gz") == [None, "bytes=100000-", "bytes=150000-", None]


def test_without_validators_and_size_it_begins_anew(web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path) -> None:
    web.every("/log.gz", silent=True, length=0)
    web.next("/log.gz", silent=True, length=0, stall_after=98_304, seconds=30.0)
    fetch(log, read_timeout_seconds=1.5)
    assert web.ranges("/log.gz") == [None, None]
    assert (tmp_path / "out" / "log.gz").read_bytes() == web.files["/log.gz"]


def test_a_weak_tag_is_no_validator_of_a_range(web: Web, log: RemoteFile, fetch: Fetch) -> None:
    date = (("Last-Modified", "Mon, 05 Jan 2026 10:00:00 GMT"),)
    web.every("/log.gz", etag='W/"a"', headers=date, ignores_if_range=True)
    web.next("/log.gz", etag='W/"a"', headers=date, cut_after=1_000)
    fetch(log)
    assert [asked.if_range for asked in web.asked] == [None, "Mon, 05 Jan 2026 10:00:00 GMT"]


def test_a_server_that_stops_sending_is_left_after_the_timeout(
    web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path
) -> None:
    web.next("/log.gz", stall_after=98_304, seconds=30.0)
    fetch(log, read_timeout_seconds=1.5)
    assert web.ranges("/log.gz") == [None, "bytes=98304-"]
    assert (tmp_path / "out" / "log.gz").read_bytes() == web.files["/log.gz"]


def test_a_slow_server_is_not_a_silent_one(web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path) -> None:
    web.next("/log.gz", slow=True, seconds=0.2)  # 19 pieces: longer in all than the timeout for each
    fetch(log, read_timeout_seconds=3.0)
    assert len(web.asked) == 1
    assert (tmp_path / "out" / "log.gz").read_bytes() == web.files["/log.gz"]


def test_an_announcement_that_is_too_long_is_found_out(web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path) -> None:
    web.every("/log.gz", length=LENGTH + 5_000)
    with pytest.raises(
        FetchError, match=r"shorter than announced: 300,000 instead of 305,000|after 300,000 of 305,000"
    ):
        fetch(log)
    assert len(web.asked) == 4  # the attempts that the policy grants
    assert not (tmp_path / "out" / "log.gz").exists()


def test_a_checksum_overrules_an_announcement_that_is_too_long(
    web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path
) -> None:
    web.every("/log.gz", length=LENGTH + 5_000)
    fetch(_stated(log, web))
    assert (tmp_path / "out" / "log.gz").read_bytes() == web.files["/log.gz"]
    assert web.ranges("/log.gz") == [None, "bytes=300000-"]


def test_an_announcement_that_is_too_short_is_found_out_by_the_checksum(
    web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path
) -> None:
    web.every("/log.gz", length=LENGTH - 5_000)
    with pytest.raises(FetchError, match=r"wrong checksum: its SHA-256 is .* is stated"):
        fetch(_stated(log, web))
    assert web.ranges("/log.gz") == [None, None]
    assert not (tmp_path / "out" / "log.gz").exists()


def test_a_size_that_is_not_the_stated_one_is_refused_at_once(web: Web, log: RemoteFile, fetch: Fetch) -> None:
    with pytest.raises(FetchError, match="shorter than stated: 300,000 instead of 300,001 bytes"):
        fetch(replace(log, size=LENGTH + 1))
    assert len(web.asked) == 1


def test_more_than_stated_is_not_taken_from_a_server_that_announces_nothing(
    web: Web, log: RemoteFile, fetch: Fetch
) -> None:
    web.every("/log.gz", length=0)
    with pytest.raises(FetchError, match="longer than stated"):
        fetch(replace(log, size=10))
    assert len(web.asked) == 1


def test_a_part_that_was_whole_needs_no_request(web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fetch(log)
    (out / "log.gz").rename(out / "log.gz.part")  # as after SIGKILL between the last byte and the renaming
    fetch(log)
    assert len(web.asked) == 1
    assert (out / "log.gz").read_bytes() == web.files["/log.gz"]


def test_a_part_that_is_too_long_is_dropped(web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path) -> None:
    web.every("/log.gz", cut_after=0)
    web.next("/log.gz", cut_after=1_000)
    with pytest.raises(FetchError):
        fetch(log)
    web.always.clear()
    web.asked.clear()
    part = tmp_path / "out" / "log.gz.part"
    part.write_bytes(bytes(LENGTH + 1))
    fetch(log)
    assert web.ranges("/log.gz") == [None]
    assert (tmp_path / "out" / "log.gz").read_bytes() == web.files["/log.gz"]


def test_a_damaged_part_is_found_out_by_the_checksum(web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path) -> None:
    log = _stated(log, web)
    web.every("/log.gz", cut_after=0)
    web.next("/log.gz", cut_after=1_000)
    with pytest.raises(FetchError):
        fetch(log)
    web.always.clear()
    web.asked.clear()
    (tmp_path / "out" / "log.gz.part").write_bytes(bytes(1_000))
    fetch(log)
    assert web.ranges("/log.gz") == ["bytes=1000-", None]
    assert (tmp_path / "out" / "log.gz").read_bytes() == web.files["/log.gz"]


def test_a_journal_cut_off_in_a_line_costs_that_line_alone(
    web: Web, log: RemoteFile, fetch: Fetch, payload: Payload, tmp_path: Path
) -> None:
    web.files["/other.gz"] = payload(10, 1)
    other = RemoteFile(name="other.gz", urls=("other.gz",))
    fetch(log)
    journal = tmp_path / "out" / ".fetch" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"name": "other.gz", "sta')
    fetch(log, other)
    assert [asked.path for asked in web.asked] == ["/log.gz", "/other.gz"]
    states = [json.loads(line)["state"] for line in journal.read_text().splitlines() if line.endswith("}")]
    assert states == ["begun", "done", "begun", "done"]


def test_progress_makes_up_for_failures_but_beginning_anew_is_no_progress(
    web: Web, log: RemoteFile, fetch: Fetch, payload: Payload, tmp_path: Path
) -> None:
    content = web.files["/log.gz"] = payload(8 * MIBIBYTE)
    web.every("/log.gz", cut_after=MIBIBYTE)  # of each answer: it comes a mebibyte further each time
    fetch(log)
    assert (tmp_path / "out" / "log.gz").read_bytes() == content
    assert len(web.asked) == 8  # although only four attempts without progress are granted
    (tmp_path / "out" / "log.gz").unlink()
    web.asked.clear()
    web.every("/log.gz", cut_after=2 * MIBIBYTE, ignores_range=True)
    with pytest.raises(FetchError, match="broke off"):
        fetch(log)
    assert len(web.asked) == 4  # the first went further than any before, the others did not


def test_a_gz_file_that_the_server_calls_coded_is_taken_as_it_is(
    web: Web, log: RemoteFile, fetch: Fetch, tmp_path: Path
) -> None:
    web.every("/log.gz", headers=(("Content-Encoding", "x-gzip"),))
    fetch(log)
    assert (tmp_path / "out" / "log.gz").read_bytes() == web.files["/log.gz"]
    assert {asked.coding for asked in web.asked} == {"identity"}


def test_a_file_compressed_on_the_way_is_refused(web: Web, fetch: Fetch) -> None:
    web.files["/log.txt"] = b"no text"
    web.every("/log.txt", headers=(("Content-Encoding", "gzip"),))
    with pytest.raises(FetchError, match="compresses the file with gzip"):
        fetch(RemoteFile(name="log.txt", urls=("log.txt",)))

"""Several files at once: order, limits, details, files left out, failures among successes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from domainlm.api import Details, FetchError, LeftOut, RemoteFile
from domainlm.errors import PluginError
from domainlm.fetch.journal import open_journal
from domainlm.fetch.progress import Progress

if TYPE_CHECKING:
    from conftest import Web

    from domainlm.fetch.engine import Report

Fetch = Callable[..., "Report"]
Payload = Callable[..., bytes]


@pytest.fixture
def logs(web: Web, payload: Payload) -> list[RemoteFile]:
    """Twelve files with their checksums beside them."""
    for number in range(12):
        web.with_md5(f"/log{number}.gz", payload(40_000, number))
    return [
        RemoteFile(name=f"log{number}.gz", urls=(f"log{number}.gz",), checksum_url=f"log{number}.gz.md5")
        for number in range(12)
    ]


def test_all_come_whole(web: Web, logs: list[RemoteFile], fetch: Fetch, tmp_path: Path) -> None:
    report = fetch(*logs)
    assert all((tmp_path / "out" / log.name).read_bytes() == web.files[f"/{log.name}"] for log in logs)
    assert (report.num_fetched, report.num_bytes) == (12, 12 * 40_000)
    assert len(web.asked) == 24


def test_no_more_connections_than_granted(web: Web, logs: list[RemoteFile], fetch: Fetch) -> None:
    for log in logs:
        web.every(f"/{log.name}", slow=True, seconds=0.02)
    fetch(*logs, connections=3)
    assert web.most_at_once == 3


def test_requests_say_who_asks(web: Web, logs: list[RemoteFile], fetch: Fetch) -> None:
    fetch(logs[0], user_agent="domainlm/9.9")
    assert {asked.user_agent for asked in web.asked} == {"domainlm/9.9"}


def test_a_second_call_asks_for_what_is_missing_alone(
    web: Web, logs: list[RemoteFile], fetch: Fetch, tmp_path: Path
) -> None:
    fetch(*logs)
    web.asked.clear()
    (tmp_path / "out" / "log3.gz").unlink()
    (tmp_path / "out" / "log5.gz").write_bytes(b"half")
    report = fetch(*logs)
    assert {asked.path for asked in web.asked} == {f"/log{n}.gz{suffix}" for n in (3, 5) for suffix in ("", ".md5")}
    assert (report.num_fetched, report.num_there) == (2, 10)


def test_a_file_that_came_by_other_ways_is_taken_where_its_checksum_is_right(
    web: Web, logs: list[RemoteFile], fetch: Fetch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "log0.gz").write_bytes(web.files["/log0.gz"])
    (out / "log1.gz").write_bytes(web.files["/log1.gz"][:100])
    report = fetch(logs[0], logs[1])
    assert (report.num_there, report.num_fetched) == (1, 1)
    assert sorted(asked.path for asked in web.asked) == ["/log0.gz.md5", "/log1.gz", "/log1.gz.md5"]
    assert (out / "log1.gz").read_bytes() == web.files["/log1.gz"]
    assert "log1.gz is there, but its MD5 is" in caplog.text


def test_a_file_of_which_nothing_is_known_is_fetched_again(
    web: Web, fetch: Fetch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    web.files["/log.gz"] = b"the whole log"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "log.gz").write_bytes(b"the whole")
    fetch(RemoteFile(name="log.gz", urls=("log.gz",)))
    assert (tmp_path / "out" / "log.gz").read_bytes() == b"the whole log"
    assert "nothing says whether it is whole" in caplog.text


def test_a_file_that_was_changed_here_is_fetched_again(
    web: Web, logs: list[RemoteFile], fetch: Fetch, tmp_path: Path
) -> None:
    fetch(logs[0])
    (tmp_path / "out" / "log0.gz").write_bytes(b"changed")
    assert fetch(logs[0]).num_fetched == 1
    assert (tmp_path / "out" / "log0.gz").read_bytes() == web.files["/log0.gz"]


def test_a_failure_keeps_no_other_from_coming(web: Web, logs: list[RemoteFile], fetch: Fetch, tmp_path: Path) -> None:
    web.every("/log2.gz", status=404)
    web.every("/log7.gz", status=403)
    with pytest.raises(FetchError, match=r"2 file\(s\) could not be fetched, 10 are there") as raised:
        fetch(*logs)
    assert "log2.gz: not there (404 Not Found)" in str(raised.value)
    assert "log7.gz: the server does not let us in (403 Forbidden)" in str(raised.value)
    assert len(list((tmp_path / "out").glob("*.gz"))) == 10


def test_after_too_many_failures_the_rest_is_given_up(web: Web, logs: list[RemoteFile], fetch: Fetch) -> None:
    del web.files["/log0.gz"]
    missing = [RemoteFile(name=f"no{n}.gz", urls=(f"no{n}.gz",)) for n in range(40)]
    with pytest.raises(FetchError, match="the rest was given up"):
        fetch(*missing, connections=1, max_failures=3)
    assert len(web.asked) == 3


def test_failures_count_in_a_row(web: Web, logs: list[RemoteFile], fetch: Fetch, tmp_path: Path) -> None:
    missing = [RemoteFile(name=f"no{n}.gz", urls=(f"no{n}.gz",)) for n in range(6)]
    mixed = [missing[0], missing[1], logs[0], missing[2], missing[3], logs[1], missing[4], missing[5], logs[2]]
    with pytest.raises(FetchError, match=r"6 file\(s\) could not be fetched, 3 are there\n"):
        fetch(*mixed, connections=1, max_failures=3)
    assert len(list((tmp_path / "out").glob("*.gz"))) == 3


def test_files_that_failed_are_tried_last_when_the_command_is_run_again(
    web: Web, logs: list[RemoteFile], fetch: Fetch, tmp_path: Path
) -> None:
    missing = [RemoteFile(name=f"no{n}.gz", urls=(f"no{n}.gz",)) for n in range(3)]
    with pytest.raises(FetchError, match=r"(?s)3 file\(s\).* 0 are there, the rest was given up.*tries these last"):
        fetch(*missing, *logs, connections=1, max_failures=3)
    web.asked.clear()
    with pytest.raises(FetchError, match=r"3 file\(s\) could not be fetched, 12 are there"):
        fetch(*missing, *logs, connections=1, max_failures=3)
    assert [asked.path for asked in web.asked[-3:]] == ["/no0.gz", "/no1.gz", "/no2.gz"]
    web.files |= {f"/{file.name}": b"found again" for file in missing}
    assert fetch(*missing, *logs).num_fetched == 3
    assert "failed" not in (tmp_path / "out" / ".fetch" / "journal.jsonl").read_text().splitlines()[-1]


def test_details_complete_a_file_or_leave_it_out(web: Web, fetch: Fetch, tmp_path: Path) -> None:
    def read(file: RemoteFile, content: bytes) -> RemoteFile | LeftOut:
        terms, _, md5 = content.decode().partition(" ")
        return RemoteFile(name=file.name, urls=file.urls, md5=md5) if terms == "free" else LeftOut(f"terms: {terms}")

    for number, terms in enumerate(("free", "paid", "free", "paid", "secret")):
        content = f"log {number}".encode()
        web.files[f"/{number}.txt"] = content
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        web.files[f"/{number}.json"] = f"{terms} {md5}".encode()
    files = [
        RemoteFile(name=f"sub/{n}.txt", urls=(f"{n}.txt",), details=Details(url=f"{n}.json", read=read))
        for n in range(5)
    ]
    report = fetch(*files)
    assert report.left_out == {"terms: paid": 2, "terms: secret": 1}
    assert sorted(path.name for path in (tmp_path / "out" / "sub").iterdir()) == ["0.txt", "2.txt"]
    assert len(web.asked) == 7
    again = fetch(*files)
    assert (again.num_there, again.left_out) == (2, report.left_out)
    assert len(web.asked) == 7  # what was left out is remembered too


def test_files_are_found_as_threads_become_free(web: Web, logs: list[RemoteFile], fetch: Fetch, tmp_path: Path) -> None:
    def found() -> Iterator[RemoteFile]:
        yield from logs[:6]
        raise FetchError("the index ends here", where="index")

    with pytest.raises(FetchError, match="the index ends here"):
        fetch(found=found())
    assert len(list((tmp_path / "out").glob("*.gz"))) == 6  # those under way came to their end


def _raise(_file: RemoteFile, content: bytes) -> RemoteFile:
    raise KeyError(content.decode())


def _give_nothing(_file: RemoteFile, _content: bytes) -> RemoteFile:
    return None  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (_raise, r"log\.txt, .*: the details at http://.*log\.json could not be read: KeyError: '{}'"),
        (
            _give_nothing,
            r"log\.txt, .*: `read` of Details must return the file, or that .*\n  given:   None",
        ),
    ],
)
def test_a_bug_of_a_plugin_in_a_thread_names_it(
    web: Web, fetch: Fetch, read: Callable[[RemoteFile, bytes], RemoteFile], told: str
) -> None:
    web.files["/log.json"] = b"{}"
    with pytest.raises(PluginError, match=f"^plugin {__name__}, {told}"):
        fetch(RemoteFile(name="log.txt", urls=("log.txt",), details=Details(url="log.json", read=read)))


def test_one_process_at_a_time_fetches_into_a_folder(fetch: Fetch, tmp_path: Path) -> None:
    with open_journal(tmp_path / "out"), pytest.raises(FetchError, match="another process fetches into this folder"):
        fetch()


def test_the_bar_shows_bytes_files_and_an_estimate_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(4, shown=True) as progress:
        meter = progress.meter("a")
        meter.reached(400, 1_000, new=False)  # there before
        meter.reached(1_000, 1_000, new=True)
        progress.ended(counts=True)
        assert (progress.bar.n, progress.bar.initial, progress.bar.total) == (1_000, 400, 4_000)
        progress.ended(counts=False)  # one of the four was there already
        assert progress.bar.total == 3_000
        meter.reached(0, None, new=False)  # dropped: it is fetched anew
        assert progress.bar.n == 0
    assert "1/3 files" in capsys.readouterr().err


def test_there_is_no_bar_where_nobody_looks(
    web: Web, logs: list[RemoteFile], fetch: Fetch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(*logs)
    assert capsys.readouterr().err == ""

"""Fetch plans: their checks when they are made, and what is chosen from them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from domainlm.api import (
    ArchiveMember,
    CorpusSpec,
    FetchError,
    FetchPlan,
    FetchSource,
    FolderListing,
    Registration,
    RemoteFile,
    RemoteReader,
    SpecError,
    TaskSpec,
    spec_fields,
)
from domainlm.errors import PluginError
from domainlm.fetch.client import Client
from domainlm.fetch.plan import base_url_of, choose_files, source_of
from domainlm.fetch.policy import Policy
from domainlm.fetch.selection import Selection

if TYPE_CHECKING:
    from conftest import Web

FILE = RemoteFile(name="log.gz", urls=("log.gz",))
SOURCE = FetchSource(name="logs", description="logs", base_url="https://harbour.example/logs", files=(FILE,))
PLAN = FetchPlan(licence="CC BY 4.0", sources=(SOURCE,))
REGISTRATION = Registration(
    url="https://harbour.example/register",
    instructions="download logs.zip\nand put logs/*.txt into the folder",
    files=("train.txt", "test.txt"),
)


def _read(*_arguments: object) -> Iterator[Any]:
    yield from ()


def _with(record: type[Any], right: dict[str, object], **wrong: object) -> Callable[[], object]:
    return lambda: record(**{**right, **wrong})


RIGHT_FILE = {"name": "log.gz", "urls": ("log.gz",)}
RIGHT_SOURCE = {"name": "logs", "description": "logs", "base_url": "https://harbour.example/", "files": (FILE,)}


@pytest.mark.parametrize(
    "make",
    [
        *(_with(RemoteFile, RIGHT_FILE, name=name) for name in ("", "/log", "a//b", "../log", ".log", "a/.b", "a\\b")),
        *(_with(RemoteFile, RIGHT_FILE, name=name) for name in ("c:log", "a\nb", "a*", "log/")),
        _with(RemoteFile, RIGHT_FILE, urls=()),
        _with(RemoteFile, RIGHT_FILE, urls="log.gz"),
        _with(RemoteFile, RIGHT_FILE, size=-1),
        _with(RemoteFile, RIGHT_FILE, size="9"),
        _with(RemoteFile, RIGHT_FILE, md5="abc"),
        _with(RemoteFile, RIGHT_FILE, md5="A" * 32),
        _with(RemoteFile, RIGHT_FILE, sha256="a" * 32),
        _with(ArchiveMember, {"path": "a/b"}, path=""),
        _with(ArchiveMember, {"path": "a/b"}, name="../b"),
        _with(ArchiveMember, {"path": "a/b"}, path="a/.."),
        _with(FolderListing, {}, pattern="("),
        _with(FolderListing, {}, pattern=None),
        _with(FetchSource, RIGHT_SOURCE, name="The Logs"),
        _with(FetchSource, RIGHT_SOURCE, description=" "),
        *(
            _with(FetchSource, RIGHT_SOURCE, base_url=url)
            for url in ("ftp://a/", "logs", "https://", "http://[a", None)
        ),
        _with(FetchSource, RIGHT_SOURCE, files=()),
        _with(FetchSource, RIGHT_SOURCE, files=[FILE]),
        _with(FetchSource, RIGHT_SOURCE, files=(FILE, FILE)),
        _with(FetchSource, RIGHT_SOURCE, max_connections=0),
        _with(FetchPlan, {"sources": (SOURCE,)}, licence=""),
        _with(FetchPlan, {"licence": "CC0"}, sources=()),
        _with(FetchPlan, {"licence": "CC0"}, sources=(SOURCE, SOURCE)),
        _with(FetchPlan, {"licence": "CC0"}, sources=("logs",)),
        _with(FetchPlan, {"licence": "CC0", "sources": (SOURCE,)}, registration=REGISTRATION),
        _with(Registration, {"instructions": "do it"}, url="here"),
        _with(Registration, {"url": "https://harbour.example/"}, instructions=""),
        _with(CorpusSpec, {"name": "harbour/logs", "description": "logs", "read": _read}, fetch="https://a/"),
        _with(TaskSpec, {"name": "harbour/t", "description": "t", "kind": "token", "read": _read}, fetch=SOURCE),
    ],
)
def test_wrong_fields_fail_when_the_plan_is_made(make: Callable[[], object]) -> None:
    with pytest.raises(SpecError):
        make()


def test_specs_show_where_their_data_comes_from() -> None:
    corpus = CorpusSpec(name="harbour/logs", description="logs", read=_read, fetch=PLAN)
    assert spec_fields(corpus)["fetch"] == "logs (https://harbour.example/logs)"
    task = TaskSpec(
        name="harbour/t",
        description="t",
        kind="token",
        read=_read,
        fetch=FetchPlan(licence="on request", registration=REGISTRATION),
    )
    assert spec_fields(task)["fetch"] == "register at https://harbour.example/register"


def test_the_first_source_is_taken_where_none_is_named() -> None:
    other = FetchSource(name="updates", description="later logs", base_url="https://harbour.example/", files=(FILE,))
    plan = FetchPlan(licence="CC0", sources=(SOURCE, other))
    assert source_of(plan, None, "x") is SOURCE
    assert source_of(plan, "updates", "x") is other
    with pytest.raises(FetchError, match=r"(?s)no such part.*given:   update.*nearest: updates"):
        source_of(plan, "update", "x")


def test_without_a_plan_there_is_nothing_to_fetch() -> None:
    with pytest.raises(FetchError, match="corpus harbour/logs: this spec does not say how to fetch its data"):
        source_of(None, None, "corpus harbour/logs")


def test_a_registration_is_said_with_what_to_put_where() -> None:
    with pytest.raises(FetchError) as raised:
        source_of(FetchPlan(licence="on request", registration=REGISTRATION), None, "task harbour/t")
    text = str(raised.value)
    assert "task harbour/t: this data needs a registration" in text
    assert "register at https://harbour.example/register\n" in text
    assert "put logs/*.txt into the folder" in text
    assert "then these are in the folder: train.txt, test.txt" in text


def test_a_mirror_replaces_the_address() -> None:
    assert base_url_of(SOURCE, None) == "https://harbour.example/logs/"
    assert base_url_of(SOURCE, "http://127.0.0.1:8000/m/") == "http://127.0.0.1:8000/m/"
    with pytest.raises(FetchError, match="--base-url: not a web address"):
        base_url_of(SOURCE, "/a/folder")


@pytest.fixture
def client(web: Web) -> Iterator[Client]:
    with Client(Policy(first_delay_seconds=0.01, attempts=3), threading.Event()) as client:
        yield client


def _names(source: FetchSource, numbers: str, client: Client, url: str) -> list[tuple[int, str]]:
    chosen = choose_files(source, Selection.parse(numbers), client, url)
    return [(number, file.name) for number, file in chosen.numbered]


def test_a_listing_is_asked_once_and_a_missing_number_said_before_anything_comes(web: Web, client: Client) -> None:
    web.files["/logs/"] = b'<a href="log0007.gz"><a href="log0008.gz"><a href="log0008.gz.md5">'
    listing = FolderListing(pattern=r"log(?P<number>\d{4})\.gz", checksum_suffix=".md5")
    source = FetchSource(name="logs", description="logs", base_url=f"{web.url}logs/", files=listing)
    assert _names(source, "8", client, f"{web.url}logs/") == [(8, "log0008.gz")]
    with pytest.raises(FetchError, match="numbers up to 8"):
        _names(source, "8-9", client, f"{web.url}logs/")
    assert len(web.asked) == 2


def test_a_listing_is_tried_again_too(web: Web, client: Client) -> None:
    web.files["/logs/"] = b'<a href="a.gz">'
    web.next("/logs/", status=503)
    web.next("/logs/", cut_after=3)
    source = FetchSource(name="logs", description="l", base_url=web.url, files=FolderListing(pattern=r".*\.gz"))
    assert _names(source, "all", client, f"{web.url}logs/") == [(1, "a.gz")]
    assert web.ranges("/logs/") == [None, None, None]


def test_a_plugin_can_find_its_files_itself(web: Web, client: Client) -> None:
    pages = {"/index?page=1": b"a.gz b.gz", "/index?page=2": b"c.gz d.gz", "/index?page=3": b"e.gz"}
    web.files.update(pages)

    def find(reader: RemoteReader, base_url: str) -> Iterator[RemoteFile]:
        assert base_url == web.url
        for page in range(1, 4):
            for name in reader.read(f"index?page={page}").decode().split():
                yield RemoteFile(name=name, urls=(name,))

    source = FetchSource(name="logs", description="logs", base_url=web.url, files=find)
    assert _names(source, "2-3", client, web.url) == [(2, "b.gz"), (3, "c.gz")]
    assert len(web.asked) == 2  # the third page was not needed
    assert len(_names(source, "all", client, web.url)) == 5


def test_a_plugin_reader_raises_what_users_see(web: Web, client: Client, tmp_path: Path) -> None:
    def find(reader: RemoteReader, _base_url: str) -> Iterator[RemoteFile]:
        reader.read("index")
        yield FILE

    source = FetchSource(name="logs", description="logs", base_url=web.url, files=find)
    with pytest.raises(FetchError, match=r"/index: not there \(404 Not Found\)"):
        _names(source, "all", client, web.url)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "the files could not be found: KeyError: 'page'"),
        ("a.gz", r"what finds the files must give RemoteFiles\n  given:   'a\.gz'"),
    ],
)
def test_a_plugin_that_finds_no_files_is_named(web: Web, client: Client, given: Any, told: str) -> None:  # noqa: ANN401
    def find(_reader: RemoteReader, _base_url: str) -> Iterator[RemoteFile]:
        yield FILE
        yield given or {}["page"]

    source = FetchSource(name="logs", description="logs", base_url=web.url, files=find)
    with pytest.raises(PluginError, match=rf'^plugin {__name__}, part "logs", .*: {told}'):
        _names(source, "all", client, web.url)

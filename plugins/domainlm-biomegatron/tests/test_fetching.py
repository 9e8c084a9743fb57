"""Fetch plans against a local server that answers in the form of NLM's and Amazon's."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner, Result

from domainlm.api import FetchError, FetchPlan, FolderListing, LeftOut, RemoteFile
from domainlm.cli.group import cli
from domainlm.cli.state import CliState
from domainlm.plugin import Provider, load_plugins
from domainlm.plugin.discovery import Candidate
from domainlm_biomegatron import hooks
from domainlm_biomegatron.fetching.pmc import PMC, find_articles, read_metadata
from domainlm_biomegatron.fetching.pubmed import PUBMED
from domainlm_biomegatron.fetching.tasks import BC5CDR, BIOASQ, CHEMPROT, NCBI_DISEASE
from domainlm_biomegatron.specs.tasks import TASKS

# As the server ftp.ncbi.nlm.nih.gov shows its folders.
LISTING = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html><head><title>Index of /pubmed/baseline</title></head><body><h1>Index of /pubmed/baseline</h1>
<pre>Name                     Last modified      Size  <hr><a href="/pubmed/">Parent Directory</a>   -
<a href="README.txt">README.txt</a>               2026-01-12 14:25  4.5K
{}
<hr></pre></body></html>"""
# Measured for version 1 of PMC7759461, cut short; s3 addresses carry the MD5 as a parameter.
METADATA = {
    "pmcid": "PMC7759461",
    "version": 1,
    "is_pmc_openaccess": True,
    "is_manuscript": False,
    "is_historical_ocr": False,
    "is_retracted": False,
    "license_code": "CC BY",
    "xml_url": "s3://pmc-oa-opendata/PMC7759461.1/PMC7759461.1.xml?md5=2ba36e61fa9eb4950c9daef9c9f58812",
}
Files = dict[str, bytes]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    files: Files

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        body = self.files.get(self.path, self._bucket_list())
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def _bucket_list(self) -> bytes | None:
        """Two keys at a time, as S3 lists up to a thousand of them."""
        query = parse_qs(urlsplit(self.path).query)
        if query.get("list-type") != ["2"]:
            return None
        keys = sorted(path[1:] for path in self.files if path.startswith(f"/{query['prefix'][0]}"))
        left = [key for key in keys if key > query["start-after"][0]]
        contents = "".join(f"<Contents><Key>{key}</Key><Size>9</Size></Contents>" for key in left[:2])
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>pmc-oa-opendata</Name><IsTruncated>{str(len(left) > 2).lower()}</IsTruncated>"
            f"{contents}</ListBucketResult>"
        ).encode()


@pytest.fixture
def files() -> Files:
    """What lies on the server, by path."""
    return {}


@pytest.fixture
def url(files: Files, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The server's address."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"files": files})) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def _domainlm(*arguments: str) -> Result:
    """Call a command with this plugin alone; user errors are left as exceptions."""
    state = CliState()
    state.all_plugins = load_plugins(candidates=[Candidate(Provider("bio", "1", "main"), lambda: hooks)])
    return CliRunner().invoke(cli, arguments, obj=state)


@pytest.fixture
def call(url: str, tmp_path: Path) -> Callable[..., Result]:
    """Call a fetch command with the server and the folder tmp_path/data."""

    def invoke(*arguments: str, below: str = "") -> Result:
        options = ("--out", str(tmp_path / "data"), "--base-url", url + below, "--attempts", "2")
        return _domainlm(*arguments, *options)

    return invoke


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _lay_pubmed(files: Files, names: list[str], folder: str) -> None:
    path = f"/{folder}/" if folder else "/"
    for name in names:
        content = f"the citations of {name}".encode()
        files[f"{path}{name}"] = content
        files[f"{path}{name}.md5"] = f"MD5({name})= {_md5(content)}\n".encode()
    rows = [
        f'<a href="{name}">{name}</a>  2025-12-14 18:08   19M\n<a href="{name}.md5">{name}.md5</a>' for name in names
    ]
    files[path] = LISTING.format("\n".join(rows)).encode()


def test_baseline_files_come_with_their_checksums_checked(
    files: Files, call: Callable[..., Result], tmp_path: Path
) -> None:
    _lay_pubmed(files, [f"pubmed26n{number:04}.xml.gz" for number in (1, 2, 3, 1334)], "baseline")
    result = call("corpus", "fetch", "biomegatron/pubmed", "--files", "2-3", below="baseline")
    assert result.exit_code == 0, result.exception
    assert "licence: NLM's terms" in result.stderr
    assert sorted(path.name for path in (tmp_path / "data").glob("*.gz")) == [
        "pubmed26n0002.xml.gz",
        "pubmed26n0003.xml.gz",
    ]


def test_a_wrong_checksum_of_a_baseline_file_is_refused(
    files: Files, call: Callable[..., Result], tmp_path: Path
) -> None:
    _lay_pubmed(files, ["pubmed26n0001.xml.gz"], "baseline")
    files["/baseline/pubmed26n0001.xml.gz"] += b"!"
    result = call("corpus", "fetch", "biomegatron/pubmed", "--files", "1", below="baseline")
    assert "wrong checksum: its MD5 is" in str(result.exception)
    assert not list((tmp_path / "data").glob("*.gz"))


def test_update_files_have_numbers_of_their_own(files: Files, call: Callable[..., Result], tmp_path: Path) -> None:
    _lay_pubmed(files, ["pubmed26n1335.xml.gz", "pubmed26n1336.xml.gz"], "updatefiles")
    fetch = ("corpus", "fetch", "biomegatron/pubmed", "--part", "updates", "--files")
    assert call(*fetch, "1336", below="updatefiles").exit_code == 0
    assert [path.name for path in (tmp_path / "data").glob("*.gz")] == ["pubmed26n1336.xml.gz"]
    assert "numbers up to 1336" in str(call(*fetch, "1336-1340", below="updatefiles").exception)


def test_of_two_years_the_later_is_taken(files: Files, call: Callable[..., Result]) -> None:
    _lay_pubmed(files, ["pubmed26n0001.xml.gz", "pubmed27n0001.xml.gz", "pubmed26n0002.xml.gz"], "baseline")
    result = call("corpus", "fetch", "biomegatron/pubmed", "--list", below="baseline")
    assert result.stdout.splitlines()[1:] == ["1  pubmed27n0001.xml.gz"]


@pytest.mark.real
def test_real_files_match_their_real_checksum_files(
    files: Files, call: Callable[..., Result], tmp_path: Path, data_dir: Path
) -> None:
    folder = data_dir / "xml" / "pubmed"
    names = ["pubmed26n1334.xml.gz", "pubmed26n1335.xml.gz"]
    _lay_pubmed(files, names, "baseline")
    for name in [*names, *(f"{name}.md5" for name in names)]:
        files[f"/baseline/{name}"] = (folder / name).read_bytes()
    result = call("corpus", "fetch", "biomegatron/pubmed", "--files", "1334-1335", below="baseline")
    assert result.exit_code == 0, result.exception
    assert all((tmp_path / "data" / name).read_bytes() == (folder / name).read_bytes() for name in names)


def _lay_article(files: Files, version: str, licence: str | None, **changes: object) -> bytes:
    xml = f"<article>{version}</article>".encode()
    address = f"s3://pmc-oa-opendata/{version}/{version}.xml?md5={_md5(xml)}"
    metadata = {**METADATA, "license_code": licence, "xml_url": address, **changes}
    files[f"/{version}/{version}.xml"] = xml
    files[f"/metadata/{version}.json"] = json.dumps(metadata).encode()
    return xml


def test_articles_that_may_be_used_commercially_come(files: Files, call: Callable[..., Result], tmp_path: Path) -> None:
    wanted = {
        "PMC01000xxxx/PMC10000002.1.xml": _lay_article(files, "PMC10000002.1", "CC BY"),
        "PMC01000xxxx/PMC10000002.2.xml": _lay_article(files, "PMC10000002.2", "CC0"),
        "PMC00001xxxx/PMC13901.1.xml": _lay_article(files, "PMC13901.1", "CC BY-SA"),
        "PMC00004xxxx/PMC49999.1.xml": _lay_article(files, "PMC49999.1", "CC BY-ND"),
    }
    _lay_article(files, "PMC10000005.1", "CC BY-NC")
    _lay_article(files, "PMC10000007.1", "TDM", is_manuscript=True)
    _lay_article(files, "PMC7.1", None)
    _lay_article(files, "PMC8.1", "CC BY", is_pmc_openaccess=False)
    files["/metadata/README"] = b"no article"
    result = call("corpus", "fetch", "biomegatron/pmc", "--files", "all", "--connections", "16")
    assert result.exit_code == 0, result.exception
    data = tmp_path / "data"
    assert {str(path.relative_to(data)): path.read_bytes() for path in data.glob("PMC*/*")} == wanted
    for reason in ("licence CC BY-NC", "licence TDM", "no licence stated", "not in the open-access subset"):
        assert f"1 left out ({reason})" in result.stdout


def test_a_choice_of_articles_is_one_of_places_in_the_list(
    files: Files, call: Callable[..., Result], tmp_path: Path
) -> None:
    for number in range(1, 8):
        _lay_article(files, f"PMC{number}.1", "CC BY")
    assert call("corpus", "fetch", "biomegatron/pmc", "--files", "3-5").exit_code == 0
    names = sorted(path.name for path in (tmp_path / "data").glob("PMC*/*"))
    assert names == ["PMC3.1.xml", "PMC4.1.xml", "PMC5.1.xml"]
    assert "no file of this number" in str(call("corpus", "fetch", "biomegatron/pmc", "--files", "7-9").exception)
    assert len(list((tmp_path / "data").glob("PMC*/*"))) == 4  # what is there came all the same


def test_metadata_as_it_was_measured_is_understood() -> None:
    file = RemoteFile(name="a.xml", urls=("a",))
    found = read_metadata(file, json.dumps(METADATA).encode())
    assert isinstance(found, RemoteFile)
    assert found.urls == ("PMC7759461.1/PMC7759461.1.xml",)
    assert found.md5 == "2ba36e61fa9eb4950c9daef9c9f58812"
    without = {key: value for key, value in METADATA.items() if key != "xml_url"}
    assert read_metadata(file, json.dumps(without).encode()) == LeftOut("no XML")
    odd = {**METADATA, "xml_url": "s3://pmc-oa-opendata/PMC1.1/PMC1.1.xml?md5=abc"}
    found = read_metadata(file, json.dumps(odd).encode())
    assert isinstance(found, RemoteFile)
    assert found.md5 == ""


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"\xff"])
def test_other_metadata_is_refused(content: bytes) -> None:
    with pytest.raises(FetchError, match="the metadata is no JSON"):
        read_metadata(RemoteFile(name="a.xml", urls=("a",)), content)


class _Reader:
    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def read(self, url: str) -> bytes:
        return self._answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"<html>", "the list of articles is no XML"),
        (b"<html/>", "this is no list of an S3 bucket"),
        (b"<Error><Code>AccessDenied</Code></Error>", "this is no list of an S3 bucket"),
        (b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", "does not go on"),
        (
            b"<ListBucketResult><Contents><Key>metadata/</Key></Contents><IsTruncated>true</IsTruncated></ListBucketResult>",
            "does not go on",
        ),
    ],
)
def test_a_list_of_another_kind_is_refused(answer: bytes, message: str) -> None:
    with pytest.raises(FetchError, match=message):
        list(find_articles(_Reader(answer), "https://bucket.example/"))


def test_entities_of_a_hostile_list_are_not_expanded(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("metadata/PMC1.1.json")
    answer = (
        f'<!DOCTYPE a [<!ENTITY s SYSTEM "file://{tmp_path}/secret">]>'
        "<ListBucketResult><Contents><Key>&s;</Key></Contents></ListBucketResult>"
    )
    assert list(find_articles(_Reader(answer.encode()), "https://bucket.example/")) == []


def test_bulk_packages_come_from_a_mirror(files: Files, call: Callable[..., Result], tmp_path: Path) -> None:
    names = ["oa_comm_xml.PMC000xxxxxx.baseline.2024-12-18.tar.gz", "oa_comm_xml.incr.2024-12-19.tar.gz"]
    others = ["oa_comm_xml.PMC000xxxxxx.baseline.2024-12-18.filelist.csv", "oa_noncomm_xml.incr.2024-12-19.tar.gz"]
    for name in names + others:
        files[f"/xml/{name}"] = name.encode()
    files["/xml/"] = "".join(f'<a href="{name}">' for name in names + others).encode()
    result = call("corpus", "fetch", "biomegatron/pmc", "--part", "bulk", "--files", "all", below="xml")
    assert result.exit_code == 0, result.exception
    assert sorted(path.name for path in (tmp_path / "data").glob("*.gz")) == names


def _zip(**members: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return packed.getvalue()


def _lay_tasks(files: Files) -> None:
    folder = "CDR_Data/CDR.Corpus.v010516"
    files["/CDR_Data.zip"] = _zip(
        **{f"{folder}/CDR_{part}Set.PubTator.txt": part for part in ("Training", "Development", "Test")},
        **{f"{folder}/CDR_TrainingSet.BioC.xml": "<collection/>"},
    )
    for part in ("train", "develop", "test"):
        files[f"/NCBI{part}set_corpus.zip"] = _zip(**{f"NCBI{part}set_corpus.txt": part})


@pytest.mark.parametrize("name", ["biomegatron/bc5cdr", "biomegatron/bc5cdr-chem", "biomegatron/ncbi-disease"])
def test_task_data_lies_where_the_task_looks_for_it(
    name: str, files: Files, call: Callable[..., Result], tmp_path: Path
) -> None:
    _lay_tasks(files)
    result = call("task", "fetch", name)
    assert result.exit_code == 0, result.exception
    task = next(task for task in TASKS if task.name == name)
    assert {split: (tmp_path / "data" / names[0]).is_file() for split, names in task.files.items()} == {
        "train": True,
        "dev": True,
        "test": True,
    }


def test_every_command_of_the_guide_works(
    files: Files, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "fetch.md").read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert len(commands) == 8
    _lay_pubmed(files, [f"pubmed26n{number:04}.xml.gz" for number in (*range(1, 21), *range(1335, 1341))], "")
    for number in range(1, 201):
        _lay_article(files, f"PMC{number}.1", "CC BY")
    _lay_tasks(files)
    monkeypatch.chdir(tmp_path)
    for command in commands:
        program, *arguments = shlex.split(command)
        result = _domainlm(*arguments, *(() if "--help" in arguments else ("--base-url", url)))
        assert (program, result.exit_code) == ("domainlm", 0), (command, result.exception)
    counts = {folder.name: sum(path.is_file() for path in folder.glob("[!.]*")) for folder in Path("data").iterdir()}
    counts["pmc"] = len(list(Path("data", "pmc").glob("PMC*/*.xml")))
    assert counts == {"pubmed": 20, "pubmed-updates": 6, "pmc": 200, "bc5cdr": 4, "ncbi-disease": 6}


@pytest.mark.parametrize("plan", [CHEMPROT, BIOASQ])
def test_registrations_say_where_and_what(plan: FetchPlan) -> None:
    assert plan.registration is not None
    assert "folder of the task" in plan.registration.instructions
    assert plan.registration.files


@pytest.mark.parametrize("plan", [PUBMED, PMC, BC5CDR, NCBI_DISEASE])
def test_servers_are_asked_politely_and_over_https(plan: FetchPlan) -> None:
    for source in plan.sources:
        assert source.base_url.startswith("https://")
        assert source.max_connections <= (16 if "amazonaws" in source.base_url else 4)
        if isinstance(source.files, tuple):
            assert all(url.startswith("https://") or ":" not in url for file in source.files for url in file.urls)
        if "pubmed" in source.base_url:
            assert isinstance(source.files, FolderListing)
            assert source.files.checksum_suffix == ".md5"

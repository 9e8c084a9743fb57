"""Files out of archives: the wanted ones, whole, and no others."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from domainlm.api import ArchiveMember, FetchError, RemoteFile
from domainlm.fetch import unpack as unpacking
from domainlm.fetch.unpack import unpack

if TYPE_CHECKING:
    from conftest import Web

    from domainlm.fetch.engine import Report

FILES = {
    "data/train.txt": b"set sail\n" * 1_000,
    "data/test.txt": b"drop anchor\n",
    "../evil.txt": b"no",
    "readme": b"x",
}
MEMBERS = (ArchiveMember(path="data/train.txt"), ArchiveMember(path="data/test.txt", name="parts/test.txt"))


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)


def _tar(path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("data/link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


@pytest.fixture(params=[("logs.zip", _zip), ("logs.tar.gz", _tar)], ids=["zip", "tar"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name, write = request.param
    path: Path = tmp_path / name
    write(path)
    return path


def test_wanted_files_come_out_whole(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    unpack(archive, MEMBERS, out)
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert found == {"train.txt": FILES["data/train.txt"], "parts/test.txt": FILES["data/test.txt"]}


def test_a_missing_file_is_named_with_the_nearest(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"(?s)not in the archive.*nearest: data/train\.txt"):
        unpack(archive, (ArchiveMember(path="data/trein.txt"),), tmp_path / "out")


def test_a_link_is_no_file(tmp_path: Path) -> None:
    _tar(tmp_path / "logs.tar.gz")
    with pytest.raises(FetchError, match="not in the archive"):
        unpack(tmp_path / "logs.tar.gz", (ArchiveMember(path="data/link.txt"),), tmp_path / "out")


def test_a_damaged_archive_is_named(archive: Path, tmp_path: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[40:80] = bytes(40)
    archive.write_bytes(content)
    with pytest.raises(FetchError, match=r"the archive is damaged|neither a \.zip nor a \.tar"):
        unpack(archive, MEMBERS, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_something_else_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "page.zip").write_text("<html>")
    with pytest.raises(FetchError, match=r"neither a \.zip nor a \.tar archive"):
        unpack(tmp_path / "page.zip", MEMBERS, tmp_path / "out")


def test_a_stated_checksum_is_checked(archive: Path, tmp_path: Path) -> None:
    right = hashlib.sha256(FILES["data/test.txt"]).hexdigest()
    unpack(archive, (ArchiveMember(path="data/test.txt", sha256=right),), tmp_path / "out")
    with pytest.raises(FetchError, match=r"data/test\.txt is not the stated file"):
        unpack(archive, (ArchiveMember(path="data/test.txt", name="b", sha256="0" * 64),), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["test.txt"]


def test_a_bomb_is_left(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_BLOCK_BYTES", 100)
    monkeypatch.setattr(unpacking, "_MAX_RATIO", 1)
    with pytest.raises(FetchError, match=r"data/train\.txt grows beyond .* bytes when it is unpacked"):
        unpack(archive, MEMBERS, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_a_fetched_archive_is_unpacked_once(web: Web, fetch: Callable[..., Report], tmp_path: Path) -> None:
    _zip(tmp_path / "logs.zip")
    web.files["/logs.zip"] = (tmp_path / "logs.zip").read_bytes()
    file = RemoteFile(name="logs.zip", urls=("logs.zip",), members=MEMBERS)
    out = tmp_path / "out"
    fetch(file)
    assert (out / "train.txt").read_bytes() == FILES["data/train.txt"]
    assert fetch(file).num_there == 1
    (out / "train.txt").unlink()
    fetch(file)  # unpacked again, not fetched again
    assert (out / "train.txt").read_bytes() == FILES["data/train.txt"]
    assert len(web.asked) == 1


@pytest.fixture
def packed(tmp_path: Path) -> bytes:
    _zip(tmp_path / "logs.zip")
    return (tmp_path / "logs.zip").read_bytes()


def test_where_a_page_comes_in_place_of_an_archive_the_next_address_is_tried(
    web: Web, fetch: Callable[..., Report], tmp_path: Path, packed: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    web.files |= {"/mirror/logs.zip": b"<html>We are back soon.</html>", "/logs.zip": packed}
    fetch(RemoteFile(name="logs.zip", urls=("mirror/logs.zip", "logs.zip"), members=MEMBERS))
    assert (tmp_path / "out" / "train.txt").read_bytes() == FILES["data/train.txt"]
    assert (tmp_path / "out" / "logs.zip").read_bytes() == packed
    assert "mirror/logs.zip: neither a .zip nor a .tar archive; its next address is tried" in caplog.text


def test_a_page_in_place_of_an_archive_is_not_kept(
    web: Web, fetch: Callable[..., Report], tmp_path: Path, packed: bytes
) -> None:
    web.files["/logs.zip"] = b"<html>We are back soon.</html>"
    file = RemoteFile(name="logs.zip", urls=("logs.zip",), members=MEMBERS)
    with pytest.raises(FetchError, match=r"(?s)logs\.zip: neither a \.zip.*run the same command again later"):
        fetch(file)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".fetch"]
    web.files["/logs.zip"] = packed
    assert fetch(file).num_fetched == 1
    assert (tmp_path / "out" / "train.txt").is_file()


def test_a_page_that_was_once_taken_for_an_archive_is_fetched_anew(
    web: Web, fetch: Callable[..., Report], tmp_path: Path, packed: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    web.files["/logs.zip"] = b"<html>We are back soon.</html>"
    fetch(RemoteFile(name="logs.zip", urls=("logs.zip",)))
    web.files["/logs.zip"] = packed
    assert fetch(RemoteFile(name="logs.zip", urls=("logs.zip",), members=MEMBERS)).num_fetched == 1
    assert (tmp_path / "out" / "train.txt").is_file()
    assert "logs.zip is there, but neither a .zip nor a .tar archive: it is fetched again" in caplog.text


def test_an_archive_with_the_stated_checksum_is_not_fetched_anew(
    web: Web, fetch: Callable[..., Report], packed: bytes
) -> None:
    web.files["/logs.zip"] = packed
    stated = hashlib.sha256(packed).hexdigest()
    fetch(RemoteFile(name="logs.zip", urls=("logs.zip",), sha256=stated))
    wrong = (ArchiveMember(path="data/none.txt"),)
    with pytest.raises(FetchError, match="not in the archive"):
        fetch(RemoteFile(name="logs.zip", urls=("logs.zip",), sha256=stated, members=wrong))
    assert len(web.asked) == 1

"""Tar archives as they stream by: written by tarfile in all its formats, hostile and damaged ones."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.api import DataError, ProblemLog
from domainlm_biomegatron.readers import tar
from domainlm_biomegatron.readers.bytes import DamagedFileError
from domainlm_biomegatron.readers.jats import read_all
from domainlm_biomegatron.readers.tar import TarStream, is_tar

Write = Callable[[str, str | bytes], Path]

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def archive_of(members: Iterable[tuple[str, bytes]], kind: int = tarfile.GNU_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def special(name: str, kind: bytes, target: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info.tobuf()


def pieces_of(content: bytes, size: int) -> Iterable[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def numbered(number: int) -> bytes:
    return (
        f'<article><front><article-meta><article-id pub-id-type="pmc">{number}</article-id><title-group>'
        f"<article-title>Title</article-title></title-group></article-meta></front><body><p>Text {number}.</p></body>"
        "</article>"
    ).encode()


ARTICLES = [(f"PMC000xxxxxx/PMC{number}.xml", numbered(number)) for number in range(1, 6)]


@settings(max_examples=60, deadline=None)
@given(
    members=st.lists(
        st.tuples(
            st.one_of(st.from_regex(r"[a-z]{1,9}(/[a-z.]{1,9}){0,3}", fullmatch=True), st.just("d/" * 70 + "é.xml")),
            st.binary(max_size=2000),
        ),
        max_size=5,
    ),
    kind=st.sampled_from(FORMATS),
    piece=st.integers(1, 3000),
    read_share=st.integers(0, 3),
)
def test_members_are_those_that_tarfile_wrote(
    members: list[tuple[str, bytes]], kind: int, piece: int, read_share: int
) -> None:
    archive = TarStream(pieces_of(archive_of(members, kind), piece))
    found = []
    for number, member in enumerate(archive):
        is_read = number % 4 <= read_share
        found.append((member.name, member.size, b"".join(archive.content()) if is_read else members[number][1]))
    assert found == [(name, len(content), content) for name, content in members]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_damage_is_more_than_a_clear_error(data: st.DataObject) -> None:
    content = bytearray(archive_of(ARTICLES, data.draw(st.sampled_from(FORMATS))))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    archive = TarStream(pieces_of(bytes(content[:cut]), 997))
    try:
        for member in archive:
            assert member.size >= 0
    except DamagedFileError as error:
        assert "byte" in str(error)  # noqa: PT017 - it may also be read to its end
        assert archive.damage is error  # noqa: PT017


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar"])
def test_articles_are_read_from_an_archive(name: str, write: Write, problems: ProblemLog) -> None:
    content = archive_of([*ARTICLES, ("README.txt", b"no XML"), ("data.xml.png", b"\x89")])
    path = write(name, gzip.compress(content) if name.endswith("gz") else content)
    documents = list(read_all(path, problems))
    assert [document.id for document in documents] == [f"PMC{number}" for number in range(1, 6)]
    assert documents[0].paragraphs[1:] == ("Text 1.",)
    assert not problems.counts


def test_names_that_lead_outside_links_and_devices_are_counted(
    write: Write, problems: ProblemLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    evil = [("../evil.xml", numbered(7)), ("a/../../b.xml", numbered(8)), ("/etc/c.xml", numbered(9))]
    links = special("l.xml", tarfile.SYMTYPE, "/etc/passwd") + special("h.xml", tarfile.LNKTYPE, "../x.xml")
    path = write("a.tar", links + special("d.xml", tarfile.CHRTYPE) + archive_of([*evil, *ARTICLES]))
    before = sorted(tmp_path.rglob("*"))
    assert len(list(read_all(path, problems))) == len(ARTICLES)
    assert sorted(tmp_path.rglob("*")) == before
    assert problems.counts == {
        "name in an archive that leads out of it (left out)": 3,
        "symbolic link in an archive (left out)": 1,
        "hard link in an archive (left out)": 1,
        "device in an archive (left out)": 1,
    }
    assert [problem.detail for problem in problems.examples][:2] == ["'l.xml' at byte 0", "'h.xml' at byte 512"]


def test_a_bad_member_costs_itself_alone(write: Write, skipping: ProblemLog, problems: ProblemLog) -> None:
    bomb = b'<!DOCTYPE article [<!ENTITY a "b">]><article><body><p>&a;</p></body></article>'
    bad = [("bomb.xml", bomb), ("junk.nxml", bytes(range(256)) * 9), ("cut.xml", ARTICLES[0][1][:-40]), ("no.xml", b"")]
    path = write("a.tar.gz", gzip.compress(archive_of([bad[0], ARTICLES[0], *bad[1:], ARTICLES[1]])))
    assert [document.id for document in read_all(path, skipping)] == ["PMC1", "PMC2"]
    assert skipping.counts == {
        "file in an archive left out": 3,
        "broken XML (the rest of the file is lost)": 1,
    }
    assert skipping.examples[0].where == f"{path}:bomb.xml"
    with pytest.raises(DataError, match="declares entities") as caught:
        list(read_all(path, problems))
    assert str(caught.value.where) == f"{path}:bomb.xml"


def test_what_came_before_the_damage_is_kept(write: Write, skipping: ProblemLog, problems: ProblemLog) -> None:
    content = archive_of(ARTICLES)
    place = content.index(b"PMC000xxxxxx/PMC4")
    path = write("a.tar", content[:place] + b"\xff" * 512 + content[place + 512 :])
    assert [document.id for document in read_all(path, skipping)] == ["PMC1", "PMC2", "PMC3"]
    (problem,) = skipping.examples
    assert (problem.kind, problem.where) == ("damaged archive (the rest of the file is lost)", str(path))
    assert problem.detail == f"no header of a member at byte {place:,} of the archive"
    with pytest.raises(DataError, match="damaged archive"):
        list(read_all(path, problems))


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_an_archive_cut_short_keeps_what_came_before(share: float, write: Write, skipping: ProblemLog) -> None:
    content = archive_of((f"{number}.xml", numbered(number)) for number in range(1, 400))
    packed = gzip.compress(content)
    path = write("a.tar.gz", packed[: int(len(packed) * share)])
    found = [document.id for document in read_all(path, skipping)]
    assert found == [f"PMC{number}" for number in range(1, len(found) + 1)]
    assert 399 * share * 0.6 < len(found) < 399
    assert skipping.counts["damaged archive (the rest of the file is lost)"] == 1
    assert "ends too early" in skipping.examples[-1].detail


def test_a_header_of_any_size_is_not_taken_into_memory(write: Write, skipping: ProblemLog) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = b"x", 2**33
    path = write("a.tar", archive_of(ARTICLES[:1])[:-10240] + info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    list(read_all(path, skipping))
    assert "a header of more than a megabyte" in skipping.examples[-1].detail


def test_what_is_no_archive_is_not_taken_for_one() -> None:
    assert not is_tar(bytes(2000))
    assert not is_tar(b"<article>" * 100)
    assert not is_tar(b"")
    assert is_tar(archive_of(ARTICLES)[: tar._BLOCK])

"""Damaged XML of any kind: what is read is right, what is not is counted or refused, and nothing crashes."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm.api import DataError, Document, ProblemLog
from domainlm_biomegatron.readers.jats import read_all
from domainlm_biomegatron.readers.pubmed import read_pubmed

CITATIONS = (
    '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle//EN" "https://a.org/a.dtd">\n<PubmedArticleSet>'
    + "".join(
        f'<PubmedArticle><MedlineCitation><PMID Version="1">{number}</PMID><Article><ArticleTitle>T <i>{number}</i>'
        f'</ArticleTitle><Abstract><AbstractText Label="AIM">x &lt; {number} &alpha; y</AbstractText></Abstract>'
        "<Language>eng</Language></Article></MedlineCitation></PubmedArticle>\n"
        for number in range(1, 8)
    )
    + "<DeleteCitation><PMID>9</PMID></DeleteCitation></PubmedArticleSet>"
).encode()
ARTICLE = (
    b'<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><article-meta>'
    b'<article-id pub-id-type="pmc">5</article-id>'
    b"<title-group><article-title>Title</article-title></title-group><permissions><license "
    b'xlink:href="https://creativecommons.org/licenses/by/4.0/"><license-p>CC BY</license-p></license></permissions>'
    b"<abstract><sec><title>A</title><p>Short.</p></sec></abstract></article-meta></front><body><p>Text "
    b'[<xref ref-type="bibr">1</xref>], <sup>2</sup><fig><caption><p>C.</p></caption></fig> more.</p></body></article>'
)


def archive() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for number in range(4):
            info = tarfile.TarInfo(f"\u00e9/{number}.xml")
            info.size = len(ARTICLE)
            tar.addfile(info, io.BytesIO(ARTICLE))
    return stream.getvalue()


SNIPPETS = [
    b"<", b">", b"&", b"&#0;", b"&lt;", b"]]>", b"<![CDATA[", b"<!--", b"\x00", b"\xff\xfe", b"</PubmedArticle>",
    b"<PubmedArticle>", b"<PMID>", b"<PMID/>", b'<!DOCTYPE x [<!ENTITY a "b">]>', b"<?xml?>", b"&#xD800;", b"<b>" * 300,
    b"<article/>", b"</article>", b"<body/>", b"<license/>", b"\xef\xbb\xbf",
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Some places of the content overwritten, cut out or filled in; maybe cut short, gzipped, and damaged then."""
    text = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(text)))
        kind = draw(st.sampled_from(["insert", "remove", "overwrite"]))
        piece = draw(st.one_of(st.sampled_from(SNIPPETS), st.binary(min_size=1, max_size=20)))
        text[place : place + (0 if kind == "insert" else len(piece))] = b"" if kind == "remove" else piece
    text = text[: draw(st.one_of(st.none(), st.integers(0, len(text))))]
    if draw(st.booleans()):
        return bytes(text)
    packed = bytearray(gzip.compress(bytes(text)))
    if draw(st.booleans()):
        packed[draw(st.integers(0, len(packed) - 1))] ^= draw(st.integers(1, 255))
    return bytes(packed)


def check(path: Path, read: Callable[[Path, ProblemLog], Iterator[Document]]) -> None:
    skipping, refusing = ProblemLog(skip_bad_input=True), ProblemLog()
    found = list(_until_refused(read(path, skipping)))
    before = list(_until_refused(read(path, refusing)))
    assert found[: len(before)] == before
    for document in found:
        assert document.id
        assert all(p == " ".join(p.split()) and p for p in document.paragraphs)


def _until_refused(documents: Iterator[Document]) -> Iterator[Document]:
    try:
        yield from documents
    except DataError as error:
        assert error.where is not None  # noqa: PT017 - any other error fails the test


slow = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@slow
@given(content=damaged(CITATIONS))
def test_pubmed(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.xml.gz"
    path.write_bytes(content)
    check(path, read_pubmed)


@slow
@given(content=damaged(ARTICLE))
def test_jats(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    check(path, read_all)


@slow
@given(content=damaged(archive()))
def test_archives(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    check(path, read_all)


@pytest.mark.parametrize("read", [read_pubmed, read_all])
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=2000))
def test_binary_junk(content: bytes, read: Callable[[Path, ProblemLog], Iterator[Document]], tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    with pytest.raises(DataError):
        list(read(path, ProblemLog(skip_bad_input=True)))

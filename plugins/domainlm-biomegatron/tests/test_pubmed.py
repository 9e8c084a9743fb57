from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.api import DataError, ProblemLog
from domainlm_biomegatron.readers.pubmed import read_pubmed

Write = Callable[[str, str | bytes], Path]

DOCTYPE = (
    '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2019//EN" '
    '"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_190101.dtd">'
)


def citation(pmid: str, title: str, abstract: str, language: str = "eng") -> str:
    return (
        f'<PubmedArticle><MedlineCitation><PMID Version="2">{pmid}</PMID><Article>'
        f"<ArticleTitle>{title}</ArticleTitle>{abstract}<Language>{language}</Language></Article>"
        '<CommentsCorrectionsList><CommentsCorrections><PMID Version="1">7</PMID></CommentsCorrections>'
        "</CommentsCorrectionsList></MedlineCitation></PubmedArticle>"
    )


def article_set(*records: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?>\n{DOCTYPE}\n<PubmedArticleSet>{"".join(records)}</PubmedArticleSet>'


def plain(text: str) -> str:
    return f"<Abstract><AbstractText>{text}</AbstractText></Abstract>"


def test_title_and_abstract_are_paragraphs(write: Write, problems: ProblemLog) -> None:
    path = write("a.xml", article_set(citation("11", "A title.", plain("An\n   abstract."))))
    (document,) = read_pubmed(path, problems)
    assert document.id == "11"
    assert document.paragraphs == ("A title.", "An abstract.")
    assert document.meta == {"version": "2", "language": "eng"}
    assert not problems.counts


def test_sections_keep_their_labels(write: Write, problems: ProblemLog) -> None:
    sections = (
        '<Abstract><AbstractText Label="AIM">To see.</AbstractText>'
        '<AbstractText Label="UNLABELLED">More.</AbstractText><AbstractText Label="END"/></Abstract>'
    )
    (document,) = read_pubmed(write("a.xml", article_set(citation("11", "T", sections))), problems)
    assert document.paragraphs == ("T", "AIM: To see.", "More.")
    assert document.meta["sections"] == "AIM"


def test_markup_and_entities_become_text(write: Write, problems: ProblemLog) -> None:
    text = "H<sub>2</sub>O &lt; 5&#xa0;&#181;g, <i>in <b>vivo</b></i> at &alpha; <!-- no -->and on &unheardof; it"
    (document,) = read_pubmed(write("a.xml", article_set(citation("11", "T", plain(text)))), problems)
    assert document.paragraphs[1] == "H2O < 5 µg, in vivo at α and on &unheardof; it"


def test_incomplete_citations_are_counted(write: Write, problems: ProblemLog) -> None:
    records = (
        citation("1", "No abstract.", ""),
        citation("2", "", plain("No title.")),
        citation("", "No PMID.", plain("x")),
        citation("4", "Empty abstract.", "<Abstract><AbstractText/></Abstract>"),
    )
    documents = list(read_pubmed(write("a.xml", article_set(*records)), problems))
    assert [document.paragraphs for document in documents] == [("No title.",)]
    assert problems.counts == {
        "citation without an abstract": 2,
        "citation without a title (kept)": 1,
        "citation without a PMID": 1,
    }


def test_repeated_and_deleted_pmids_are_counted(write: Write, problems: ProblemLog) -> None:
    records = (
        citation("1", "First.", plain("a")),
        citation("1", "Second.", plain("b")),
        "<DeleteCitation><PMID>1</PMID><PMID>99</PMID></DeleteCitation>",
    )
    documents = list(read_pubmed(write("a.xml", article_set(*records)), problems))
    assert [document.paragraphs[0] for document in documents] == ["First."]
    assert problems.counts == {
        "PMID again": 1,
        "deletion of a citation of this file (which is kept)": 1,
        "deletion of a citation": 1,
    }


def test_book_articles_are_read(write: Write, problems: ProblemLog) -> None:
    book = (
        "<PubmedBookArticle><BookDocument><PMID>5</PMID><Book><BookTitle>The book.</BookTitle></Book>"
        "<Language>eng</Language><Abstract><AbstractText>A chapter.</AbstractText></Abstract>"
        "</BookDocument></PubmedBookArticle>"
    )
    (document,) = read_pubmed(write("a.xml", article_set(book)), problems)
    assert document.paragraphs == ("The book.", "A chapter.")


def test_gzip_is_told_by_content(write: Write, problems: ProblemLog) -> None:
    path = write("no-ending", gzip.compress(article_set(citation("1", "T", plain("a"))).encode()))
    assert [document.id for document in read_pubmed(path, problems)] == ["1"]


def test_break_in_the_middle_keeps_what_came_before(write: Write, problems: ProblemLog) -> None:
    records = [citation(str(number), "T", plain("text")) for number in range(1, 6)]
    broken = article_set(*records).replace('<PMID Version="2">4', "\n\n</oops><PMID>4")
    path = write("a.xml", broken)
    assert [document.id for document in read_pubmed(path, problems)] == ["1", "2", "3"]
    (problem,) = problems.examples
    assert problem.kind == "broken XML (the rest of the file is lost)"
    assert problem.where == f"{path}:5"


def test_missing_end_is_counted(write: Write, problems: ProblemLog) -> None:
    text = article_set(citation("1", "T", plain("a")))[: -len("</PubmedArticleSet>")]
    assert [document.id for document in read_pubmed(write("a.xml", text), problems)] == ["1"]
    assert problems.counts == {"broken XML (the rest of the file is lost)": 1}


def test_wrong_encoding_in_the_middle_is_counted(write: Write, problems: ProblemLog) -> None:
    text = article_set(citation("1", "T", plain("a")), citation("2", "T", plain("caf\xe9")))
    documents = read_pubmed(write("a.xml", text.encode("latin-1")), problems)
    assert [document.id for document in documents] == ["1"]
    assert problems.counts == {"broken XML (the rest of the file is lost)": 1}


def test_truncated_gzip_keeps_what_came_before(write: Write, problems: ProblemLog) -> None:
    records = [citation(str(number), "T", plain(f"text {number} " * 50)) for number in range(1, 2000)]
    whole = gzip.compress(article_set(*records).encode())
    path = write("a.xml.gz", whole[: len(whole) // 2])
    num_read = sum(1 for _ in read_pubmed(path, problems))
    assert 500 < num_read < 1500
    (problem,) = problems.examples
    assert problem.kind == "damaged file (the rest of it is lost)"
    assert "bytes of text" in problem.detail


def test_damaged_gzip_is_counted(write: Write, problems: ProblemLog) -> None:
    records = [citation(str(number), "T", plain(f"text {number * 7919} ")) for number in range(1, 3000)]
    content = bytearray(gzip.compress(article_set(*records).encode()))
    content[-6] ^= 0xFF  # in the check sum
    num_read = sum(1 for _ in read_pubmed(write("a.xml.gz", bytes(content)), problems))
    assert num_read == 2999
    assert problems.counts == {"damaged file (the rest of it is lost)": 1}


BOMB = (
    '<!DOCTYPE PubmedArticleSet [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<PubmedArticleSet><x>&b;</x></PubmedArticleSet>"
)
OUTSIDE = (
    '<!DOCTYPE PubmedArticleSet [<!ENTITY a SYSTEM "file:///etc/passwd">]><PubmedArticleSet>&a;</PubmedArticleSet>'
)


@pytest.mark.parametrize("text", [BOMB, OUTSIDE])
def test_declared_entities_are_refused(text: str, write: Write, problems: ProblemLog) -> None:
    with pytest.raises(DataError, match="declares entities of its own"):
        list(read_pubmed(write("a.xml", text), problems))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (gzip.compress(b""), "the file is empty"),
        (b"some text, no XML", "not XML"),
        (b"<?xml version='1.0'?>\n", "not XML"),
        (b"<article><front/></article>", "XML of another kind"),
        (gzip.compress(b"<PubmedArticleSet>")[:12], "damaged file, nothing could be read"),
        (bytes(range(256)) * 100, "not XML"),
    ],
)
def test_files_of_no_use_are_refused(content: bytes, message: str, write: Write, problems: ProblemLog) -> None:
    path = write("a.xml", content)
    with pytest.raises(DataError, match=message) as error:
        list(read_pubmed(path, problems))
    assert str(path) in str(error.value)


def test_missing_file_and_folder_are_refused(tmp_path: Path, problems: ProblemLog) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(read_pubmed(tmp_path / "none.xml", problems))
    with pytest.raises(DataError, match="is a folder"):
        list(read_pubmed(tmp_path, problems))

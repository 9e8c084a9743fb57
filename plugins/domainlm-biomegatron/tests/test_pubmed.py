from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from domainlm.api import DataError, ProblemLog
from domainlm.study.corpora import CorpusOrder, build_corpus, corpus_settings
from domainlm_biomegatron.readers import xml
from domainlm_biomegatron.readers.pubmed import read_pubmed
from domainlm_biomegatron.specs.corpora import CORPORA

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


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("10<sup>-3</sup> of Ca<sub>2+</sub>", "10-3 of Ca2+"),
        ("in\n  <i>E. coli</i> <b>and</b>\n<u>more</u>.", "in E. coli and more."),
        ("5\u2009%\u00ad of\u200b it", "5 % of it"),
        ("&amp;#8805; 3 &amp;lt; 4 &amp;nosuch; R&amp;D;", "\u2265 3 < 4 &nosuch; R&D;"),
        ("&lt;i&gt;gene&lt;/i&gt;, p&lt;0.05", "gene, p<0.05"),
        (
            (
                "at <mml:math><mml:mover>\n <mml:mi>V</mml:mi>\n <mml:mo>\u02d9</mml:mo></mml:mover>"
                "<mml:msub><mml:mi>O</mml:mi>\n<mml:mn>2</mml:mn></mml:msub>"
                "<mml:annotation>\\dot V</mml:annotation></mml:math> rest"
            ),
            "at V\u02d9O2 rest",
        ),
        ("Cut here. (ABSTRACT TRUNCATED AT 250 WORDS)", "Cut here."),
    ],
)
def test_special_text_is_right(marked: str, expected: str, write: Write, problems: ProblemLog) -> None:
    text = article_set(citation("11", "T", plain(marked)))
    text = text.replace("<PubmedArticleSet>", '<PubmedArticleSet xmlns:mml="http://www.w3.org/1998/Math/MathML">')
    (document,) = read_pubmed(write("a.xml", text), problems)
    assert document.paragraphs[1] == expected


def test_a_label_that_the_text_has_already_is_not_put_twice(write: Write, problems: ProblemLog) -> None:
    section = '<Abstract><AbstractText Label="AIM:">Aim: to see.</AbstractText></Abstract>'
    (document,) = read_pubmed(write("a.xml", article_set(citation("11", "T", section))), problems)
    assert document.paragraphs == ("T", "Aim: to see.")


def test_incomplete_citations_are_counted(write: Write, problems: ProblemLog) -> None:
    records = (
        citation("1", "No abstract.", ""),
        citation("2", "[Not Available].", plain("No title.")),
        citation("", "No PMID.", plain("x")),
        citation("4", "Empty abstract.", "<Abstract><AbstractText/></Abstract>"),
        "<PubmedArticle/>",
    )
    documents = list(read_pubmed(write("a.xml", article_set(*records)), problems))
    assert [(document.id, document.paragraphs) for document in documents] == [
        ("1", ()),
        ("2", ("No title.",)),
        ("4", ()),
    ]
    assert problems.counts == {
        "citation without an abstract": 2,
        "citation without a title (kept)": 1,
        "citation without a PMID": 2,
    }


def test_other_languages_and_other_abstracts_are_left_out_and_counted(write: Write, problems: ProblemLog) -> None:
    other = '<OtherAbstract Type="Publisher" Language="spa"><AbstractText>Un texto.</AbstractText></OtherAbstract>'
    records = (
        citation("1", "[German].", plain("a"), language="ger"),
        citation("2", "Both.", plain("b"), language="fre</Language><Language>eng"),
        citation("3", "T", plain("c")).replace("</MedlineCitation>", f"{other}</MedlineCitation>"),
    )
    documents = list(read_pubmed(write("a.xml", article_set(*records)), problems))
    assert [document.paragraphs for document in documents] == [(), ("Both.", "b"), ("T", "c")]
    assert problems.counts == {"citation not in English": 1, "another abstract of a citation (left out)": 1}
    assert problems.examples[0].detail == "PMID 1, ger"


def test_versions_and_deletions_are_handed_on(write: Write, problems: ProblemLog) -> None:
    records = (
        citation("1", "First.", plain("a")),
        citation("1", "Second.", plain("b")).replace('"2"', '"3"'),
        '<DeleteCitation><PMID Version="1">1</PMID><PMID>99</PMID></DeleteCitation>',
    )
    documents = list(read_pubmed(write("a.xml", article_set(*records)), problems))
    assert [(document.id, document.version, bool(document.paragraphs)) for document in documents] == [
        ("1", 2, True),
        ("1", 3, True),
        ("1", 1, False),
        ("99", 1, False),
    ]
    assert problems.counts == {"deletion of a citation": 2}


def test_update_files_replace_and_remove_across_files(tmp_path: Path) -> None:
    """The whole way: three files in the order of their names, through the core's preparation."""
    spec = next(spec for spec in CORPORA if spec.name == "biomegatron/pubmed")
    one = [citation(str(number), f"Title {number}.", plain(f"Old text {number}.")) for number in range(1, 40)]
    two = [
        citation("1", "Title 1.", plain("New text of one.")),
        citation("2", "Title 2.", ""),
        citation("3", "Title 3.", plain("Neuer Text."), language="ger"),
        citation("5", "Title 5.", plain("An older version.")).replace('"2"', '"1"'),
        '<DeleteCitation><PMID Version="2">4</PMID><PMID Version="2">6</PMID></DeleteCitation>',
    ]
    three = [citation("6", "Title 6.", plain("Come back."))]
    files = []
    for name, records in (("pubmed26n0001", one), ("pubmed26n0002", two), ("pubmed26n0003", three)):
        files.append(tmp_path / f"{name}.xml.gz")
        files[-1].write_bytes(gzip.compress(article_set(*records).encode()))
    settings = corpus_settings(spec.name, [str(tmp_path)], ["corpus.held_out_share=0.3"])
    prepared = build_corpus(CorpusOrder(spec=spec, settings=settings, files=tuple(files)), tmp_path / "out")
    assert prepared is not None
    text = "".join((tmp_path / "out" / "text" / f"{side}.txt").read_text() for side in ("train", "held_out"))
    assert "New text of one." in text
    assert "Come back." in text
    assert [number for number in range(1, 40) if f"Old text {number}." not in text] == [1, 2, 3, 4, 6]
    assert "Neuer" not in text
    assert "An older version" not in text
    counts = {key: prepared.documents[f"num_{key}"] for key in ("documents", "kept", "replaced", "removed", "empty")}
    assert counts == {"documents": 42, "kept": 36, "replaced": 3, "removed": 3, "empty": 0}


def test_a_folder_of_bad_files_is_prepared_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    spec = next(spec for spec in CORPORA if spec.name == "biomegatron/pubmed")
    records = [citation(str(number), f"Title {number}.", plain(f"Text {number} is whole.")) for number in range(1, 60)]
    whole = article_set(*records[:30]).encode()
    contents = {
        "a.xml": article_set(*records[30:40], "<PubmedArticle></x>", *records[40:]).encode(),
        "b.xml": BOMB.encode(),
        "c.xml.gz": gzip.compress(whole, mtime=0)[:-9],
        "d.xml": bytes(range(256)) * 100,
        "e.xml": article_set(citation("60", "Title 60.", plain("The last text is whole."))).encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    files = tuple(tmp_path / name for name in contents)
    options = ["corpus.held_out_share=0.3", "corpus.on_bad_input=skip"]
    settings = corpus_settings(spec.name, [str(tmp_path)], options)
    order = CorpusOrder(spec=spec, settings=settings, files=files)
    refusing = replace(order, settings=settings.model_copy(update={"on_bad_input": "refuse"}))
    with pytest.raises(DataError, match="broken XML"):
        build_corpus(refusing, tmp_path / "refused")
    build_corpus(order, tmp_path / "out")
    text = "".join((tmp_path / "out" / "text" / f"{side}.txt").read_text() for side in ("train", "held_out"))
    # The truncated file ends within its check sum: all its records are there. Of the broken one the first ten are.
    assert [number for number in range(1, 60) if f"Text {number} is whole." not in text] == list(range(41, 60))
    assert "The last text is whole." in text
    problems = json.loads((tmp_path / "out" / "manifest.json").read_text())["problems"]
    places = {Path(example["where"].partition(":")[0]).name for example in problems["examples"]}
    assert places == {"a.xml", "b.xml", "c.xml.gz", "d.xml"}
    assert sum(problems["counts"].values()) == 4


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


def test_break_in_the_middle_keeps_what_came_before(write: Write, skipping: ProblemLog) -> None:
    records = [citation(str(number), "T", plain("text")) for number in range(1, 6)]
    broken = article_set(*records).replace('<PMID Version="2">4', "\n\n</oops><PMID>4")
    path = write("a.xml", broken)
    assert [document.id for document in read_pubmed(path, skipping)] == ["1", "2", "3"]
    (problem,) = skipping.examples
    assert problem.kind == "broken XML (the rest of the file is lost)"
    assert problem.where == f"{path}:5"


def test_missing_end_is_counted(write: Write, skipping: ProblemLog) -> None:
    text = article_set(citation("1", "T", plain("a")))[: -len("</PubmedArticleSet>")]
    assert [document.id for document in read_pubmed(write("a.xml", text), skipping)] == ["1"]
    assert skipping.counts == {"broken XML (the rest of the file is lost)": 1}


def test_wrong_encoding_in_the_middle_is_counted(write: Write, skipping: ProblemLog) -> None:
    text = article_set(citation("1", "T", plain("a")), citation("2", "T", plain("caf\xe9")))
    documents = read_pubmed(write("a.xml", text.encode("latin-1")), skipping)
    assert [document.id for document in documents] == ["1"]
    assert skipping.counts == {"broken XML (the rest of the file is lost)": 1}


def test_truncated_gzip_keeps_what_came_before(write: Write, skipping: ProblemLog) -> None:
    records = [citation(str(number), "T", plain(f"text {number} " * 50)) for number in range(1, 2000)]
    whole = gzip.compress(article_set(*records).encode())
    path = write("a.xml.gz", whole[: len(whole) // 2])
    num_read = sum(1 for _ in read_pubmed(path, skipping))
    assert 500 < num_read < 1500
    (problem,) = skipping.examples
    assert problem.kind == "damaged file (the rest of the file is lost)"
    assert "bytes of text" in problem.detail


def test_damaged_gzip_is_counted(write: Write, skipping: ProblemLog) -> None:
    records = [citation(str(number), "T", plain(f"text {number * 7919} ")) for number in range(1, 3000)]
    content = bytearray(gzip.compress(article_set(*records).encode()))
    content[-6] ^= 0xFF  # in the check sum
    num_read = sum(1 for _ in read_pubmed(write("a.xml.gz", bytes(content)), skipping))
    assert num_read == 2999
    assert skipping.counts == {"damaged file (the rest of the file is lost)": 1}


def test_what_is_damaged_is_refused_unless_it_is_to_be_skipped(write: Write, problems: ProblemLog) -> None:
    text = article_set(citation("1", "T", plain("a")), citation("2", "T", plain("b")).replace("</Article>", "</x>"))
    path = write("a.xml", text)
    documents = read_pubmed(path, problems)
    assert next(documents).id == "1"
    with pytest.raises(DataError, match="broken XML") as caught:
        next(documents)
    assert caught.value.where == f"{path}:3"
    whole = article_set(citation("1", "T", plain("a")))
    truncated = write("b.xml.gz", gzip.compress(whole.encode())[:-12])
    with pytest.raises(DataError, match="damaged file"):
        list(read_pubmed(truncated, problems))


def test_a_file_without_records_does_not_fill_the_memory(
    write: Write, skipping: ProblemLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xml, "_MAX_RECORD_BYTES", 200_000)
    path = write("a.xml", article_set(citation("1", "T", plain("a")), "<x/>" * 200_000))
    assert [document.id for document in read_pubmed(path, skipping)] == ["1"]
    assert skipping.counts == {"a record is too large (the rest of the file is lost)": 1}


BOMB = (
    '<!DOCTYPE PubmedArticleSet [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    "<PubmedArticleSet><x>&b;</x></PubmedArticleSet>"
)
PARAMETERS = (
    "<!DOCTYPE PubmedArticleSet [<!ENTITY % a \"<!ENTITY b 'cccc'>\">%a;]><PubmedArticleSet>&b;</PubmedArticleSet>"
)
OUTSIDE = (
    '<!DOCTYPE PubmedArticleSet [<!ENTITY a SYSTEM "file:///etc/passwd">]><PubmedArticleSet>&a;</PubmedArticleSet>'
)


@pytest.mark.parametrize("text", [BOMB, PARAMETERS, OUTSIDE])
def test_declared_entities_are_refused(text: str, write: Write, problems: ProblemLog) -> None:
    with pytest.raises(DataError, match="declares entities of its own"):
        list(read_pubmed(write("a.xml", text), problems))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
        (b"some text, no XML", "not XML"),
        (b"<?xml version='1.0'?>\n", "not XML"),
        (b"<article><front/></article>", "XML of another kind"),
        (gzip.compress(b"<PubmedArticleSet>", mtime=0)[:12], "damaged file, nothing could be read"),
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

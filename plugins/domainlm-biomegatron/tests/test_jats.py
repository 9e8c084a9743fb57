from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.api import DataError, ProblemLog
from domainlm_biomegatron.readers.jats import (
    read_all,
    read_commercial,
    read_commercial_with_captions,
    read_jats,
)

Write = Callable[[str, str | bytes], Path]

FRONT = (
    '<article-id pub-id-type="pmid">77</article-id><article-id pub-id-type="pmc">123</article-id>'
    '<article-id pub-id-type="doi">10.1/x</article-id>'
    '<title-group><article-title>A <italic>title</italic><xref ref-type="fn">*</xref></article-title></title-group>'
    '<permissions><license xlink:href="https://creativecommons.org/licenses/by/4.0/"><license-p>CC BY.</license-p>'
    "</license></permissions>"
)


def article(body: str = "", abstract: str = "", front: str = FRONT, rest: str = "") -> str:
    return (
        '<article xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:mml="http://www.w3.org/1998/Math/MathML" '
        f'article-type="research-article" xml:lang="en"><front><article-meta>{front}{abstract}</article-meta></front>'
        f"<body>{body}</body>{rest}</article>"
    )


def body_of(write: Write, body: str) -> list[str]:
    problems = ProblemLog()
    (document,) = read_jats(write("a.nxml", article(body)), problems)
    return list(document.paragraphs[1:])


def test_parts_in_reading_order(write: Write, problems: ProblemLog) -> None:
    text = article(
        "<sec><title>Introduction</title><p>One.</p><sec><title>Deeper</title><p>Two.</p></sec></sec><p>Three.</p>",
        '<abstract><p>Short.</p></abstract><abstract abstract-type="graphical"><p>Picture.</p></abstract>'
        "<trans-abstract><p>Kurz.</p></trans-abstract>",
        rest="<back><ack><p>Thanks.</p></ack></back><sub-article><body><p>Review.</p></body></sub-article>",
    )
    (document,) = read_jats(write("a.nxml", text), problems)
    assert document.id == "PMC123"
    assert document.paragraphs == ("A title", "Short.", "One.", "Two.", "Three.")
    assert document.meta == {
        "pmid": "77",
        "doi": "10.1/x",
        "article_type": "research-article",
        "language": "en",
        "licence_class": "CC BY",
        "licence": "CC BY.",
        "licence_url": "https://creativecommons.org/licenses/by/4.0/",
    }
    assert not problems.counts


def test_sections_of_the_abstract_are_labelled(write: Write, problems: ProblemLog) -> None:
    abstract = (
        "<abstract><title>Summary</title><sec><title>Methods:</title><p>We did.</p><p>More.</p></sec>"
        "<sec><title/><p>Done.</p></sec></abstract>"
    )
    (document,) = read_jats(write("a.nxml", article("", abstract)), problems)
    assert document.paragraphs[1:] == ("Methods: We did.", "More.", "Done.")


def test_tables_figures_and_formulas_are_left_out(write: Write) -> None:
    body = (
        "<p>Before <table-wrap><caption><p>Caption.</p></caption><table><tr><td>1</td></tr></table></table-wrap>after."
        "<fig><caption><p>Figure.</p></caption></fig></p>"
        "<p>With <inline-formula><mml:math><mml:mi>x</mml:mi></mml:math></inline-formula> and "
        "<disp-formula><tex-math>y</tex-math></disp-formula>so on.<fn><p>Footnote.</p></fn></p>"
        "<sec><title>S</title><supplementary-material><p>Extra.</p></supplementary-material></sec>"
    )
    assert body_of(write, body) == ["Before after.", "With and so on."]


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ('seen [<xref ref-type="bibr">1</xref>,<xref ref-type="bibr">2</xref>].', "seen."),
        ('seen [<xref ref-type="bibr">1</xref>–<xref ref-type="bibr">3</xref>] twice', "seen twice"),
        ('seen <xref ref-type="bibr">[1]</xref>, <xref ref-type="bibr">[2]</xref>.', "seen."),
        ('seen.<sup><xref ref-type="bibr">12</xref></sup> Then', "seen. Then"),
        ('seen (<xref ref-type="bibr">Ek 1999</xref>) twice', "seen (Ek 1999) twice"),
        ('<xref ref-type="fig">Figure 1</xref> shows', "Figure 1 shows"),
        ('seen [<xref ref-type="bibr">1</xref>],[<xref ref-type="bibr">2</xref>].', "seen."),
        ('seen [<xref ref-type="bibr">1</xref>]–[<xref ref-type="bibr">3</xref>] here', "seen here"),
        ('(Ek <xref ref-type="bibr">1999</xref>, <xref ref-type="bibr">2003a</xref>)', "(Ek 1999, 2003a)"),
        ("so:<disp-formula>x</disp-formula>where y", "so: where y"),
        ("estimates, <inline-formula>x</inline-formula>. Then ( P = 1)", "estimates. Then (P = 1)"),
        ('ratio (5) of [<xref ref-type="bibr">4</xref>] .13', "ratio (5) of .13"),
    ],
)
def test_citation_marks_are_removed_with_what_holds_them(marked: str, expected: str, write: Write) -> None:
    assert body_of(write, f"<p>{marked}</p>") == [expected]


def test_lists_quotes_and_definitions_are_paragraphs_of_their_own(write: Write) -> None:
    body = (
        "<p>Two things:<list><list-item><label>1.</label><p>first,</p></list-item><list-item><p>second.</p></list-item>"
        "</list>And so.</p><disp-quote><p>Quoted.</p><attrib>Somebody</attrib></disp-quote>"
        "<def-list><def-item><term>AB</term><def><p>a brief form</p></def></def-item></def-list>"
    )
    assert body_of(write, body) == ["Two things:", "first,", "second.", "And so.", "Quoted.", "AB: a brief form"]


def test_comments_instructions_and_breaks(write: Write) -> None:
    assert body_of(write, "<p>One<!-- no --> two<?pi no?> three<break/>four &#x2009; five</p>") == [
        "One two three four five"
    ]


def test_what_is_missing_is_counted(write: Write, problems: ProblemLog) -> None:
    path = write("name.nxml", article("", "", front="<title-group><article-title/></title-group>"))
    assert list(read_jats(path, problems)) == []
    assert problems.counts == {
        "article without a title (kept)": 1,
        "article without body text (kept)": 1,
        "article without any text": 1,
    }


def test_names_and_licences_from_elsewhere(write: Write, problems: ProblemLog) -> None:
    front = (
        "<title-group><article-title>T</article-title></title-group><copyright-statement>Mine.</copyright-statement>"
    )
    (document,) = read_jats(write("some.name.nxml", article("<p>x</p>", front=front)), problems)
    assert document.id.startswith("some.name#")
    assert document.meta == {
        "article_type": "research-article",
        "language": "en",
        "licence_class": "none",
        "licence": "Mine.",
    }


def test_an_article_set_gives_all_its_articles(write: Write, problems: ProblemLog) -> None:
    other = article("<p>x</p>").replace(">123<", ">PMC9<")
    path = write("set.xml", f"<pmc-articleset>{article('<p>y</p>')}{other}</pmc-articleset>")
    assert [document.id for document in read_jats(path, problems)] == ["PMC123", "PMC9"]


def test_broken_article_is_counted(write: Write, skipping: ProblemLog) -> None:
    assert list(read_jats(write("a.nxml", article("<p>never closed")), skipping)) == []
    assert skipping.counts == {"broken XML (the rest of the file is lost)": 1}


def test_other_files_are_refused(write: Write, problems: ProblemLog) -> None:
    with pytest.raises(DataError, match="XML of another kind"):
        list(read_jats(write("a.nxml", "<PubmedArticleSet/>"), problems))
    bomb = '<!DOCTYPE article [<!ENTITY a "b">]><article><body><p>&a;</p></body></article>'
    with pytest.raises(DataError, match="declares entities"):
        list(read_jats(write("b.nxml", bomb), problems))


CAPTIONS = (
    '<p>Before <fig><label>1</label><caption><title>A title.</title><p>A figure <xref ref-type="bibr">2</xref>.</p>'
    "</caption></fig>after.</p><table-wrap><caption><p>A table.</p></caption><table><tr><td>1</td></tr></table>"
    "</table-wrap><p>End.</p>"
)


def test_captions_are_paragraphs_where_they_are_asked_for(write: Write, problems: ProblemLog) -> None:
    floats = "<floats-group><fig><caption><p>A float.</p></caption></fig></floats-group>"
    path = write("a.nxml", article(CAPTIONS, rest=floats))
    (document,) = read_commercial_with_captions(path, problems)
    assert document.paragraphs[1:] == (
        "Before",
        "A title.",
        "A figure.",
        "after.",
        "A table.",
        "End.",
        "A float.",
    )
    (document,) = read_commercial(path, problems)
    assert document.paragraphs[1:] == ("Before after.", "End.")


def test_articles_of_other_licences_are_named_and_counted(write: Write, problems: ProblemLog) -> None:
    closed = article("<p>x</p>").replace("/by/4.0", "/by-nc/4.0").replace("CC BY.", "")
    silent = article("<p>y</p>", front='<article-id pub-id-type="pmc">9</article-id>')
    path = write("set.xml", f"<pmc-articleset>{closed}{silent}{article('<p>z</p>')}</pmc-articleset>")
    documents = list(read_commercial(path, problems))
    assert [(document.id, bool(document.paragraphs)) for document in documents] == [
        ("PMC123", False),
        ("PMC9", False),
        ("PMC123", True),
    ]
    assert problems.counts == {
        "article under a licence not wanted: CC BY-NC": 1,
        "article under a licence not wanted: none": 1,
    }
    assert problems.examples[0].detail == "PMC123, https://creativecommons.org/licenses/by-nc/4.0/"
    everything = read_all(path, ProblemLog())
    assert [document.meta["licence_class"] for document in everything] == ["CC BY-NC", "none", "CC BY"]


@pytest.mark.parametrize(
    ("front", "name", "expected"),
    [
        ('<article-id pub-id-type="pmcid-ver">PMC123.4</article-id>', "a.nxml", 4),
        ("", "PMC123.2.xml", 2),
        ("", "PMC123.xml", 1),
        ("", "1471-2180-11-174.nxml", 1),
    ],
)
def test_the_version_is_that_of_the_pmc_id(
    front: str, name: str, expected: int, write: Write, problems: ProblemLog
) -> None:
    (document,) = read_jats(write(name, article("<p>x</p>", front=FRONT + front)), problems)
    assert document.version == expected

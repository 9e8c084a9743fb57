"""Passages as a PubMed XML file, with the elements that NLM's baseline files have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

from domainlm_biomegatron.sample.compose import Passage, Sentence
from domainlm_biomegatron.sample.draws import Draws
from domainlm_biomegatron.sample.files import FIRST_PMID, NOTICE

LABELS = ("BACKGROUND", "METHODS", "RESULTS", "CONCLUSIONS")
_SHARE_WITH_SECTIONS = 0.3
_SHARE_WITH_ITALICS = 0.2
_HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN" '
    '"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">\n'
    f"<!-- {NOTICE} -->\n"
    "<PubmedArticleSet>\n"
)
_CITATION = """\
<PubmedArticle>
<MedlineCitation Status="MEDLINE" Owner="NLM" IndexingMethod="Automated">
<PMID Version="1">{pmid}</PMID>
<DateRevised><Year>2020</Year><Month>11</Month><Day>16</Day></DateRevised>
<Article PubModel="Print">
<Journal><ISSN IssnType="Print">0000-0000</ISSN><JournalIssue CitedMedium="Print"><Volume>1</Volume>\
<PubDate><Year>2020</Year></PubDate></JournalIssue><Title>Journal of Synthetic Samples</Title>\
<ISOAbbreviation>J Synth Samples</ISOAbbreviation></Journal>
<ArticleTitle>{title}</ArticleTitle>
<Abstract>
{abstract}
</Abstract>
<Language>eng</Language>
<PublicationTypeList><PublicationType UI="D016428">Journal Article</PublicationType></PublicationTypeList>
</Article>
<MedlineJournalInfo><MedlineTA>J Synth Samples</MedlineTA><NlmUniqueID>00000000</NlmUniqueID></MedlineJournalInfo>
</MedlineCitation>
<PubmedData><PublicationStatus>ppublish</PublicationStatus>\
<ArticleIdList><ArticleId IdType="pubmed">{pmid}</ArticleId></ArticleIdList></PubmedData>
</PubmedArticle>
"""
_TAIL = "</PubmedArticleSet>\n"


def pubmed_xml(passages: Iterable[tuple[int, Passage]]) -> str:
    """Return the text of one file.

    Args:
        passages: each with its number, which gives its PMID.
    """
    return _HEAD + "".join(_citations(passages)) + _TAIL


def pmid_of(number: int) -> int:
    """Return the PMID of the document with this number."""
    return FIRST_PMID + number


def _citations(passages: Iterable[tuple[int, Passage]]) -> Iterator[str]:
    for number, passage in passages:
        draws = Draws("markup", number)
        title = _marked_up(passage.title, draws)
        yield _CITATION.format(pmid=pmid_of(number), title=title, abstract=_abstract(passage, draws))


def _abstract(passage: Passage, draws: Draws) -> str:
    texts = [_marked_up(sentence, draws) for sentence in passage.sentences]
    if not draws.chance(_SHARE_WITH_SECTIONS):
        return f"<AbstractText>{' '.join(texts)}</AbstractText>"
    sections = []
    for index, label in enumerate(LABELS):
        part = texts[index * len(texts) // len(LABELS) : (index + 1) * len(texts) // len(LABELS)]
        if part:
            text = " ".join(part)
            sections.append(f'<AbstractText Label="{label}" NlmCategory="{label}">{text}</AbstractText>')
    return "\n".join(sections)


def _marked_up(sentence: Sentence, draws: Draws) -> str:
    """Return the sentence as XML, names of genes now and then in italics, as journals print them."""
    pieces: list[str] = []
    done = 0
    for mention in sentence.mentions:
        name = escape(sentence.text[mention.start : mention.end])
        if mention.thing.kind == "gene" and draws.chance(_SHARE_WITH_ITALICS):
            name = f"<i>{name}</i>"
        pieces += [escape(sentence.text[done : mention.start]), name]
        done = mention.end
    return "".join(pieces) + escape(sentence.text[done:])

"""MEDLINE/PubMed citations: baseline and update files (`pubmedNNnNNNN.xml.gz`), and what E-utilities give as XML.

Format: https://dtd.nlm.nih.gov/ncbi/pubmed/doc/out/250101/ (elements PubmedArticle, PubmedBookArticle, DeleteCitation).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from domainlm.api import Document, ProblemLog
from domainlm_biomegatron.readers.bytes import read_pieces
from domainlm_biomegatron.readers.inline import inline_text, unescape_twice
from domainlm_biomegatron.readers.xml import line_of, stream_records

if TYPE_CHECKING:
    from lxml import etree

_ROOTS = ("PubmedArticleSet", "PubmedBookArticleSet")
_RECORDS = ("PubmedArticle", "PubmedBookArticle", "DeleteCitation")
_CITATIONS = ("MedlineCitation", "BookDocument")
_NO_LABEL = "UNLABELLED"  # NLM's label of a section that has none
_NO_TITLES = frozenset({"", "[Not Available].", "[Not Available]", "Not Available"})
_LANGUAGES_TAKEN = frozenset({"eng", "mul", "und", ""})  # MARC codes; "mul" and "und" are many and unknown ones
_CUT_SHORT = re.compile(r"\s*\(ABSTRACT TRUNCATED(?: AT \d+ WORDS)?\)$")


def read_pubmed(path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream the citations of one file that are in English and have an abstract.

    A document is the title and one paragraph for each section of the abstract; the label of a section comes before
    it, as in PubMed's own plain text ("METHODS: We ..."). Its id is the PMID, its version that of the PMID; `meta`
    holds "version", "language" and, where there are any, "sections" (the labels).

    A citation may come again, revised, in a later file. So a PMID that is deleted, or comes without English text, gives
    a document without paragraphs, which removes the one that an earlier file has (`CorpusSpec.replaces`).

    Counted in `problems`: citations without a PMID or an abstract, and those not in English (left out); without a title
    (kept); with another abstract, mostly a translation (which is left out); with an abstract that NLM cut short (kept,
    without its note of that); and every PMID that a DeleteCitation names.

    Raises:
        DataError: missing, empty, not PubMed XML, declaring entities, or damaged where that is not to be skipped.
    """
    pieces = read_pieces(path)
    for record in stream_records(pieces, path, roots=_ROOTS, records=_RECORDS, problems=problems):
        if record.tag == "DeleteCitation":
            yield from _deletions(record, path, problems)
        else:
            document = _read_citation(record, path, problems)
            if document is not None:
                yield document


def _deletions(record: etree._Element, path: Path, problems: ProblemLog) -> Iterator[Document]:
    for pmid in record.iterfind("PMID"):
        number = inline_text(pmid)
        if number:
            problems.add("deletion of a citation", f"PMID {number}", path=path, line=line_of(pmid))
            yield Document(number, (), version=_version(pmid))


def _read_citation(record: etree._Element, path: Path, problems: ProblemLog) -> Document | None:
    line = line_of(record)
    citation = next((found for name in _CITATIONS if (found := record.find(name)) is not None), record)
    pmid = citation.find("PMID")
    number = "" if pmid is None else inline_text(pmid)
    if pmid is None or not number:
        problems.add("citation without a PMID", f"<{citation.tag}>", path=path, line=line)
        return None
    if citation.find("OtherAbstract") is not None:
        problems.add("another abstract of a citation (left out)", f"PMID {number}", path=path, line=line)
    article = citation.find("Article")
    if article is None:
        article = citation
    nothing = Document(number, (), version=_version(pmid))
    languages = [(language.text or "").strip() for language in article.iterfind("Language")]
    if languages and not _LANGUAGES_TAKEN.intersection(languages):
        detail = f"PMID {number}, {' '.join(languages)}"
        problems.add("citation not in English", detail, path=path, line=line)
        return nothing
    sections = _read_sections(article, number, path, problems)
    if not sections:
        problems.add("citation without an abstract", f"PMID {number}", path=path, line=line)
        return nothing
    title = _read_title(article)
    if not title:
        problems.add("citation without a title (kept)", f"PMID {number}", path=path, line=line)
    paragraphs = ([title] if title else []) + [_labelled(label, text) for label, text in sections]
    meta = {"version": str(nothing.version), "language": " ".join(languages)}
    labels = [label for label, _ in sections if label]
    if labels:
        meta["sections"] = "|".join(labels)
    return Document(number, tuple(paragraphs), meta, nothing.version)


def _version(pmid: etree._Element) -> int:
    stated = pmid.get("Version", "")
    return int(stated) if stated.isascii() and stated.isdecimal() and len(stated) < 6 else 1


def _read_title(article: etree._Element) -> str:
    for name in ("ArticleTitle", "Book/BookTitle"):
        element = article.find(name)
        if element is not None and (title := unescape_twice(inline_text(element))) not in _NO_TITLES:
            return title
    return ""


def _read_sections(article: etree._Element, number: str, path: Path, problems: ProblemLog) -> list[tuple[str, str]]:
    """Return (label, text) of each section of the abstract that is not empty; the label is "" where it has none."""
    sections = []
    for section in article.iterfind("Abstract/AbstractText"):
        text = unescape_twice(inline_text(section))
        if text.endswith(")") and (cut := _CUT_SHORT.search(text)):
            problems.add("abstract cut short by NLM (kept)", f"PMID {number}", path=path, line=line_of(section))
            text = text[: cut.start()]
        label = " ".join(section.get("Label", "").split()).rstrip(" :")
        if text:
            sections.append(("" if label == _NO_LABEL else label, text))
    return sections


def _labelled(label: str, text: str) -> str:
    is_there = not label or text[: len(label) + 1].casefold() == f"{label}:".casefold()
    return text if is_there else f"{label}: {text}"

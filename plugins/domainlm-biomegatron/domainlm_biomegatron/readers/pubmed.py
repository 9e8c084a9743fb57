"""MEDLINE/PubMed citations: baseline and update files (`pubmedNNnNNNN.xml.gz`), and what E-utilities give as XML.

Format: https://dtd.nlm.nih.gov/ncbi/pubmed/doc/out/250101/ (elements PubmedArticle, PubmedBookArticle, DeleteCitation).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from domainlm.api import Document, ProblemLog
from domainlm_biomegatron.readers.inline import inline_text
from domainlm_biomegatron.readers.xml import line_of, stream_records

if TYPE_CHECKING:
    from lxml import etree

_ROOTS = ("PubmedArticleSet", "PubmedBookArticleSet")
_RECORDS = ("PubmedArticle", "PubmedBookArticle", "DeleteCitation")
_NO_LABEL = "UNLABELLED"  # NLM's label of a section that has none


def read_pubmed(path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream the citations of one file that have an abstract.

    A document is the title and one paragraph for each section of the abstract; the label of a section comes before
    it, as in PubMed's own plain text ("METHODS: We ..."). Its id is the PMID; `meta` holds "version", "language" and,
    where there are any, "sections" (the labels).

    Counted in `problems`: citations without a PMID or an abstract (left out), without a title (kept), PMIDs that come
    again in this file (the first is kept), and every PMID that a DeleteCitation names.

    Raises:
        DataError: missing, empty, not PubMed XML, or declaring entities.
    """
    seen: set[str] = set()
    for record in stream_records(path, roots=_ROOTS, records=_RECORDS, problems=problems):
        if record.tag == "DeleteCitation":
            _count_deletions(record, seen, path, problems)
        else:
            document = _read_citation(record, seen, path, problems)
            if document is not None:
                yield document


def _count_deletions(record: etree._Element, seen: set[str], path: Path, problems: ProblemLog) -> None:
    for pmid in record.iterfind("PMID"):
        number = inline_text(pmid)
        kind = "deletion of a citation of this file (which is kept)" if number in seen else "deletion of a citation"
        problems.add(kind, f"PMID {number}", path=path, line=line_of(pmid))


def _read_citation(record: etree._Element, seen: set[str], path: Path, problems: ProblemLog) -> Document | None:
    citation = record[0]  # MedlineCitation, or BookDocument
    article = citation.find("Article")
    if article is None:
        article = citation
    pmid = citation.find("PMID")
    if pmid is None or not inline_text(pmid):
        problems.add("citation without a PMID", f"<{citation.tag}>", path=path, line=line_of(record))
        return None
    number = inline_text(pmid)
    if number in seen:
        problems.add("PMID again", f"PMID {number}", path=path, line=line_of(record))
        return None
    seen.add(number)
    sections = _read_sections(article)
    if not sections:
        problems.add("citation without an abstract", f"PMID {number}", path=path, line=line_of(record))
        return None
    title = _read_title(article)
    if not title:
        problems.add("citation without a title (kept)", f"PMID {number}", path=path, line=line_of(record))
    paragraphs = [title] if title else []
    paragraphs += [f"{label}: {text}" if label else text for label, text in sections]
    meta = {"version": pmid.get("Version", "1"), "language": article.findtext("Language", "")}
    labels = [label for label, _ in sections if label]
    if labels:
        meta["sections"] = "|".join(labels)
    return Document(number, tuple(paragraphs), meta)


def _read_title(article: etree._Element) -> str:
    for name in ("ArticleTitle", "Book/BookTitle"):
        element = article.find(name)
        if element is not None and (title := inline_text(element)):
            return title
    return ""


def _read_sections(article: etree._Element) -> list[tuple[str, str]]:
    """Return (label, text) of each section of the abstract that is not empty; the label is "" where it has none."""
    sections = []
    for section in article.iterfind("Abstract/AbstractText"):
        text = inline_text(section)
        label = section.get("Label", "").strip()
        if text:
            sections.append(("" if label == _NO_LABEL else label, text))
    return sections

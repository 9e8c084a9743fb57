"""PMC full text in JATS (and its forerunner, NLM's archiving DTD): one `<article>` a file, or a set of them.

Format: https://jats.nlm.nih.gov/archiving/. Left out: tables, figures, formulas, captions, footnotes, supplements,
reference lists, numeric citation marks, section headings, everything after the body, and translated or reviewing
sub-articles.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from domainlm.api import Document, ProblemLog
from domainlm_biomegatron.readers.inline import inline_text, squeeze
from domainlm_biomegatron.readers.jats_text import paragraphs_of, tidy
from domainlm_biomegatron.readers.xml import line_of, stream_records

if TYPE_CHECKING:
    from lxml import etree

_ROOTS = ("article", "pmc-articleset", "article-set")
_RECORDS = ("article",)
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_ABSTRACTS_LEFT_OUT = frozenset({"graphical", "toc", "teaser", "key-points", "highlights"})
_META_IDS = ("pmid", "doi")


def read_jats(path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream the articles of one file: title, abstract and body paragraphs in reading order.

    The id is the PMC id ("PMC1865086"); where there is none the PMID, the DOI or the file's name. `meta` holds "pmid",
    "doi", "article_type", "language", "licence" (its wording) and "licence_url", each where the article states it.

    Counted in `problems`: articles without a body (kept, with their abstract), without a title (kept), without a
    stated licence (kept), and without any text (left out).

    Raises:
        DataError: missing, empty, not JATS, or declaring entities.
    """
    for article in stream_records(path, roots=_ROOTS, records=_RECORDS, problems=problems):
        document = _read_article(article, path, problems)
        if document is not None:
            yield document


def _read_article(article: etree._Element, path: Path, problems: ProblemLog) -> Document | None:
    front = article.find("front/article-meta")
    ids = _read_ids(front)
    name = ids.get("pmc") or ids.get("pmid") or ids.get("doi") or path.name.split(".xml")[0].removesuffix(".nxml")
    line = line_of(article)

    title = _read_title(front)
    if not title:
        problems.add("article without a title (kept)", name, path=path, line=line)
    body_element = article.find("body")
    body = list(paragraphs_of(body_element)) if body_element is not None else []
    if not body:
        problems.add("article without body text (kept)", name, path=path, line=line)
    paragraphs = [*([title] if title else []), *_read_abstract(front), *body]
    if not paragraphs:
        problems.add("article without any text", name, path=path, line=line)
        return None
    meta = {key: ids[key] for key in _META_IDS if key in ids}
    meta |= _read_attributes(article) | _read_licence(front)
    if "licence" not in meta and "licence_url" not in meta:
        problems.add("article without a stated licence (kept)", name, path=path, line=line)
    return Document(name, tuple(paragraphs), meta)


def _read_ids(front: etree._Element | None) -> dict[str, str]:
    ids: dict[str, str] = {}
    for element in front.iterfind("article-id") if front is not None else ():
        kind, value = element.get("pub-id-type", ""), inline_text(element)
        if kind in {"pmc", "pmcid"} and value:
            ids.setdefault("pmc", value if value.startswith("PMC") else f"PMC{value}")
        elif value:
            ids.setdefault(kind, value)
    return ids


def _read_title(front: etree._Element | None) -> str:
    title = front.find("title-group/article-title") if front is not None else None
    return tidy(inline_text(title, lambda child: child.tag in {"fn", "xref"})) if title is not None else ""


def _read_abstract(front: etree._Element | None) -> Iterator[str]:
    for abstract in front.iterfind("abstract") if front is not None else ():
        if abstract.get("abstract-type", "") not in _ABSTRACTS_LEFT_OUT:
            yield from paragraphs_of(abstract, with_labels=True)


def _read_attributes(article: etree._Element) -> dict[str, str]:
    stated = {
        "article_type": article.get("article-type", ""),
        "language": article.get("{http://www.w3.org/XML/1998/namespace}lang", ""),
    }
    return {key: value for key, value in stated.items() if value}


def _read_licence(front: etree._Element | None) -> dict[str, str]:
    """Return the wording and the address of the licence, from wherever in the front matter it stands."""
    if front is None:
        return {}
    licence = front.find(".//license")
    if licence is None:
        statement = front.find(".//copyright-statement")
        return {} if statement is None else {"licence": inline_text(statement)}
    links = [licence, *licence.iterfind(".//ext-link"), *licence.iterfind(".//uri")]
    url = next((squeeze(link.get(_XLINK_HREF, "")) for link in links if link.get(_XLINK_HREF)), "")
    stated = {"licence": inline_text(licence), "licence_url": url}
    return {key: value for key, value in stated.items() if value}

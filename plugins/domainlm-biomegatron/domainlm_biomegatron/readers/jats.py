"""PMC full text in JATS (and its forerunner, NLM's archiving DTD): one `<article>` a file, or a set of them.

Format: https://jats.nlm.nih.gov/archiving/. Left out: tables, figures, formulas, captions (unless asked for),
footnotes, supplements, reference lists, numeric citation marks, section headings, everything after the body, and
translated or reviewing sub-articles. The articles may lie in the tar archives of PMC's bulk packages, which are not
unpacked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from domainlm.api import Document, ProblemLog
from domainlm_biomegatron.readers.archives import XmlFile, read_each
from domainlm_biomegatron.readers.inline import inline_text
from domainlm_biomegatron.readers.jats_text import paragraphs_of, tidy
from domainlm_biomegatron.readers.licences import COMMERCIAL_USE, read_licence
from domainlm_biomegatron.readers.xml import line_of, stream_records

if TYPE_CHECKING:
    from lxml import etree

_ROOTS = ("article", "pmc-articleset", "article-set")
_RECORDS = ("article",)
_PMC_VERSION = re.compile(r"(?:PMC)?\d+\.(\d{1,5})(?:$|\.n?xml)")
_ABSTRACTS_LEFT_OUT = frozenset({"graphical", "toc", "teaser", "key-points", "highlights"})
_META_IDS = ("pmid", "doi")


def read_commercial(path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream the articles under licences that permit commercial use; see `read_jats`."""
    return read_jats(path, problems, licences=COMMERCIAL_USE)


def read_commercial_with_captions(path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream what `read_commercial` does, with the captions of figures and tables as paragraphs."""
    return read_jats(path, problems, licences=COMMERCIAL_USE, with_captions=True)


def read_all(path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream all articles whatever their licence, which is in `meta`; see `read_jats`."""
    return read_jats(path, problems)


def read_jats(
    path: Path,
    problems: ProblemLog,
    *,
    licences: Collection[str] | None = None,
    with_captions: bool = False,
) -> Iterator[Document]:
    """Stream the articles of one file or archive: title, abstract and body paragraphs in reading order.

    The id is the PMC id ("PMC1865086"); where there is none the PMID ("pmid:17456789"), the DOI ("doi:10.1000/182"), or
    the file's name with a hash of the text. The version is that of the PMC id. `meta` holds "pmid", "doi",
    "article_type", "language", "licence_class" (see `Licence.name`), "licence" (its wording) and "licence_url", each
    where the article states it.

    Counted in `problems`: articles under other licences than those wanted (a kind for each class; they give a document
    without paragraphs, which removes an earlier version), without a body (kept, with their abstract), without a title
    (kept), and without any text (left out); what `read_each` counts of an archive.

    Args:
        path: a file of XML, gzipped or not, or a tar archive of such files.
        problems: gets what is left out.
        licences: the classes of licence to take; None takes all, also where none is stated.
        with_captions: the captions of figures and tables are paragraphs, where they stand.

    Raises:
        DataError: missing, empty, not JATS, declaring entities, or damaged where that is not to be skipped.
    """

    def read_file(file: XmlFile, problems: ProblemLog) -> Iterator[Document]:
        for article in stream_records(file.pieces, file.where, roots=_ROOTS, records=_RECORDS, problems=problems):
            document = _Article(article, file, problems).document(licences, with_captions=with_captions)
            if document is not None:
                yield document

    return read_each(path, problems, read_file)


class _Article:
    """One article, and where it comes from."""

    def __init__(self, article: etree._Element, file: XmlFile, problems: ProblemLog) -> None:
        self._article = article
        self._front = article.find("front/article-meta")
        self._file = file
        self._problems = problems
        self._line = line_of(article)
        self._ids = _read_ids(self._front)
        self._id = _id_of(self._ids)

    def document(self, licences: Collection[str] | None, *, with_captions: bool) -> Document | None:
        licence = read_licence(self._front)
        if licences is not None and licence.name not in licences:
            shown = f", {licence.url or licence.wording[:120]}" if licence.url or licence.wording else ""
            self._count(f"article under a licence not wanted: {licence.name}", f"{self._name}{shown}")
            return Document(self._id, (), version=self._version) if self._id else None
        paragraphs = self._paragraphs(with_captions=with_captions)
        if not paragraphs:
            self._count("article without any text")
            return None
        meta = {key: self._ids[key] for key in _META_IDS if key in self._ids} | _read_attributes(self._article)
        stated = {"licence_class": licence.name, "licence": licence.wording, "licence_url": licence.url}
        meta |= {key: value for key, value in stated.items() if value}
        return Document(self._id or f"{self._name}#{_digest(paragraphs)}", paragraphs, meta, self._version)

    def _paragraphs(self, *, with_captions: bool) -> tuple[str, ...]:
        title = _read_title(self._front)
        if not title:
            self._count("article without a title (kept)")
        body = [
            paragraph
            for part in self._article.iterfind("body")
            for paragraph in paragraphs_of(part, with_captions=with_captions)
        ]
        if not body:
            self._count("article without body text (kept)")
        floats = self._article.find("floats-group")
        if with_captions and floats is not None:
            body += _captions_of(floats)
        return (*([title] if title else []), *_read_abstract(self._front), *body)

    @property
    def _name(self) -> str:
        name = self._file.name.removesuffix(".gz")
        return self._id or name.removesuffix(".xml").removesuffix(".nxml")

    @property
    def _version(self) -> int:
        for text in (self._ids.get("pmcid-ver", ""), self._file.name):
            if match := _PMC_VERSION.match(text):
                return int(match[1])
        return 1

    def _count(self, kind: str, detail: str = "") -> None:
        self._problems.add(kind, detail or self._name, path=self._file.where, line=self._line)


def _digest(paragraphs: Sequence[str]) -> str:
    text = "\n".join(paragraphs).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=6).hexdigest()


def _captions_of(floats: etree._Element) -> list[str]:
    return [paragraph for caption in floats.iter("caption") for paragraph in paragraphs_of(caption)]


def _read_ids(front: etree._Element | None) -> dict[str, str]:
    ids: dict[str, str] = {}
    for element in front.iterfind("article-id") if front is not None else ():
        kind, value = element.get("pub-id-type", ""), inline_text(element)
        if kind in {"pmc", "pmcid"} and value:
            ids.setdefault("pmc", value if value.startswith("PMC") else f"PMC{value}")
        elif value:
            ids.setdefault(kind, value)
    return ids


def _id_of(ids: Mapping[str, str]) -> str:
    """The bare PMID is the id of the citation in PubMed, which is another document."""
    return ids.get("pmc") or next((f"{kind}:{ids[kind]}" for kind in _META_IDS if kind in ids), "")


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

"""Running text of a JATS element: paragraphs in reading order, without what is not running text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domainlm_biomegatron.readers.inline import entity_text, inline_text, squeeze

if TYPE_CHECKING:
    from lxml import etree

_FLOATS = frozenset(
    {"fig", "fig-group", "table-wrap", "table-wrap-group", "floats-group", "caption", "chem-struct-wrap"}
)
# Left out with all they hold; the text around them goes on.
_LEFT_OUT = frozenset({
    "table", "disp-formula", "disp-formula-group", "inline-formula", "chem-struct", "tex-math", "math",
    "graphic", "inline-graphic", "media", "supplementary-material", "inline-supplementary-material",
    "ref-list", "fn", "fn-group", "label", "title", "subtitle", "sec-meta", "object-id", "attrib", "permissions",
    "related-article", "related-object", "index-term", "processing-meta", "code", "preformat", "annotation",
    "annotation-xml",
}) | _FLOATS  # fmt: skip
_DISPLAYED = _FLOATS | {
    "disp-formula",
    "disp-formula-group",
}  # stand on lines of their own: the words around do not touch
# Break the paragraph they stand in.
_BLOCKS = frozenset({
    "p", "sec", "list", "list-item", "def-list", "def-item", "def", "term", "disp-quote", "boxed-text", "verse-group",
    "verse-line", "statement", "speech", "speaker", "app", "app-group", "array", "abstract", "body", "glossary",
})  # fmt: skip

_CITATION_MARK = re.compile(r"[\s\d,;.\-\u2010-\u2015*\u2020\u2021a-d()\[\]]*")  # "12", "3,4", "5-9", "[12]", "6a"
_YEAR = re.compile(r"(?:19|20)\d\d[a-d]?")  # of "Ek 1999, 2003": part of what the sentence says
_REMOVED = "\ue000"  # stands where a citation mark was (private use: no article has it)
_MARKS = r"\s*\ue000(?:[\s,;.\-\u2010-\u2015]*\ue000)*\s*"
_BRACKETED_MARKS = rf"(?:\[{_MARKS}\]|\({_MARKS}\)|{_MARKS})"
_REMOVED_MARKS = re.compile(
    rf"\s*{_BRACKETED_MARKS}(?:\s*[,;\-\u2010-\u2015]?\s*{_BRACKETED_MARKS})*"
)  # "[12]", "(3, 4)", "5-9", "[1],[2]", with the blank before
_EMPTY_BRACKETS = re.compile(r"\s*(?:\(\s*\)|\[\s*\])")  # what a formula may leave
_STRAY_COMMA = re.compile(r"[,;]\s*([.,;)\]])(?=\s|$)")
_BLANK_AFTER_BRACKET = re.compile(r"(?<=[(\[])\s+")
_BLANK_BEFORE_STOP = re.compile(r"\s+([,.;:)\]])(?=\s|$)")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for besides the running text."""

    labels: bool
    captions: bool


def paragraphs_of(element: etree._Element, *, with_labels: bool = False, with_captions: bool = False) -> Iterator[str]:
    """Yield the paragraphs inside `element`, in reading order, none empty.

    Args:
        element: an abstract or a body.
        with_labels: put the title of each section before its first paragraph ("Methods: We ..."), as PubMed does with
            the sections of abstracts.
        with_captions: the captions of figures and tables are paragraphs, where they stand.
    """
    label = ""
    for text in _blocks(element, _Wanted(with_labels, with_captions)):
        if isinstance(text, _Label):
            label = text
            continue
        paragraph = tidy(text)
        if paragraph:
            yield f"{label}: {paragraph}" if label else paragraph
            label = ""


class _Label(str):
    """What goes before the next paragraph."""

    __slots__ = ()


def _blocks(element: etree._Element, wanted: _Wanted) -> Iterator[str]:
    """Yield labels and raw paragraphs: a block inside a paragraph ends it, and what follows starts a new one."""
    if element.tag == "term":
        yield _Label(inline_text(element).rstrip(":"))
        return
    if wanted.labels and element.tag == "sec":
        yield _Label(_section_title(element))
    pending = [element.text or ""]
    for child in element:
        name = _local(child.tag) if isinstance(child.tag, str) else ""
        if name in _BLOCKS:
            yield "".join(pending)
            yield from _blocks(child, wanted)
            pending = []
        elif wanted.captions and name in _FLOATS:
            captions = list(_captions(child, wanted))
            if captions:
                yield from ("".join(pending), *captions)
                pending = []
        else:
            pending.extend(_inline(child))
        pending.append(child.tail or "")
    yield "".join(pending)


def _captions(element: etree._Element, wanted: _Wanted) -> Iterator[str]:
    """Yield the raw paragraphs of the captions in a float; the caption's title is one of them."""
    for caption in element.iter("caption"):
        title = caption.find("title")
        if title is not None:
            yield inline_text(title)
        yield from _blocks(caption, wanted)


def _inline(child: etree._Element) -> Iterator[str]:
    """Yield the text of an inline element, its tail left out."""
    if not isinstance(child.tag, str):
        yield entity_text(child)
    elif child.tag == "break":
        yield " "
    elif child.tag == "xref" and child.get("ref-type") == "bibr":
        text = inline_text(child)
        yield _REMOVED if _CITATION_MARK.fullmatch(text) and not _YEAR.fullmatch(text) else text
    elif _local(child.tag) not in _LEFT_OUT:
        yield child.text or ""
        for inner in child:
            yield from _inline(inner)
            yield inner.tail or ""
    elif _local(child.tag) in _DISPLAYED:
        yield " "


def _local(tag: str) -> str:
    """Return the name without its namespace, as of `mml:math`."""
    return tag.rpartition("}")[2]


def _section_title(section: etree._Element) -> str:
    title = section.find("title")
    return inline_text(title).rstrip(" :.") if title is not None else ""


def tidy(text: str) -> str:
    """Squeeze white space, and remove what citation marks and formulas leave behind: brackets, commas, blanks."""
    without_marks = _EMPTY_BRACKETS.sub(
        "", _REMOVED_MARKS.sub(" ", squeeze(text))
    )  # squeezed first: long runs cost their square
    squeezed = _BLANK_BEFORE_STOP.sub(r"\1", squeeze(without_marks))
    return _BLANK_AFTER_BRACKET.sub("", _STRAY_COMMA.sub(r"\1", squeezed))

"""Text of an element: inline markup kept as text, white space made single blanks, character entities resolved."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.entities import html5
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml import etree

_INVISIBLE = dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))  # soft hyphen, blanks and joins of no width
_ESCAPED_TWICE = re.compile(r"&(#[0-9]{2,6}|#[xX][0-9a-fA-F]{2,5}|[A-Za-z][A-Za-z0-9]{1,30});")
_TAG_AS_TEXT = re.compile(r"</?(?:i|b|u|em|strong|sub|sup|SUB|SUP)>|</?(?:p|br) ?/?>")
_ANNOTATIONS = frozenset({"annotation", "annotation-xml"})
_MATHML = "{http://www.w3.org/1998/Math/MathML}"


def squeeze(text: str) -> str:
    """Make every run of white space (thin and no-break blanks too) one blank, none at the ends; drop invisible ones."""
    if not text.isascii():
        text = text.translate(_INVISIBLE)
    return " ".join(text.split())


def unescape_twice(text: str) -> str:
    """Resolve what was escaped twice before it came into the XML ("&amp;#8805;", "&lt;i&gt;"), as in old records."""
    if "&" in text:
        text = _ESCAPED_TWICE.sub(_character, text)
    return _TAG_AS_TEXT.sub("", text) if "<" in text else text


def inline_text(element: etree._Element, skip: Callable[[etree._Element], bool] | None = None) -> str:
    """Return all text inside `element`. Of a formula that comes with another notation of itself, the first is taken.

    Args:
        element: its own tail is not part of it.
        skip: inner elements for which it is true are left out; what follows them stays.
    """
    if not len(element):  # most titles and sections: no markup inside
        return squeeze(element.text or "")
    return squeeze("".join(_parts(element, skip)))


def _parts(element: etree._Element, skip: Callable[[etree._Element], bool] | None) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if not isinstance(child.tag, str):
            yield entity_text(child)
        elif child.tag.startswith(_MATHML):
            yield squeeze("".join(_math(child)))
        elif skip is None or not skip(child):
            yield from _parts(child, skip)
        yield child.tail or ""


def _math(element: etree._Element) -> Iterator[str]:
    """Yield the symbols of a formula; white space between its elements is layout of the file, and means nothing."""
    name = str(element.tag).removeprefix(_MATHML)
    if name in _ANNOTATIONS:
        return
    yield (element.text or "") if name == "mtext" else (element.text or "").strip()
    for child in element:
        if isinstance(child.tag, str):
            yield from _math(child)
        else:
            yield entity_text(child)
        yield (child.tail or "").strip()


def entity_text(node: etree._Element) -> str:
    """Return the character of an entity reference such as `&alpha;`; the reference itself where none is known by it.

    With entities off, a reference that only the DTD knows is left in the tree as a node. The names in NLM's and JATS's
    DTDs are ISO's, which HTML 5 took over.
    """
    reference = node.text or ""
    return html5.get(reference.removeprefix("&"), reference)


def _character(match: re.Match[str]) -> str:
    name = match[1]
    if not name.startswith("#"):
        return html5.get(f"{name};", match[0])
    code = int(f"0{name[1:]}", 0) if name[1] in "xX" else int(name[1:])
    is_text = 32 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF
    return chr(code) if is_text else match[0]

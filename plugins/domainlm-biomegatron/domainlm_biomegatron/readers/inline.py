"""Text of an element: inline markup kept as text, white space made single blanks, character entities resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html.entities import html5
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml import etree


def squeeze(text: str) -> str:
    """Make every run of white space (thin and no-break blanks too) one blank, none at the ends."""
    return " ".join(text.split())


def inline_text(element: etree._Element, skip: Callable[[etree._Element], bool] | None = None) -> str:
    """Return all text inside `element`.

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
        elif skip is None or not skip(child):
            yield from _parts(child, skip)
        yield child.tail or ""


def entity_text(node: etree._Element) -> str:
    """Return the character of an entity reference such as `&alpha;`; the reference itself where none is known by it.

    With entities off, a reference that only the DTD knows is left in the tree as a node. The names in NLM's and JATS's
    DTDs are ISO's, which HTML 5 took over.
    """
    reference = node.text or ""
    return html5.get(reference.removeprefix("&"), reference)

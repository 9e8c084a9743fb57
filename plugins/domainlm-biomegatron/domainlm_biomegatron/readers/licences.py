"""Which licence an article is under, as a class: from the addresses and the wording of its own statement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domainlm_biomegatron.readers.inline import inline_text

if TYPE_CHECKING:
    from lxml import etree

CC0, CC_BY, CC_BY_SA, CC_BY_ND, PUBLIC_DOMAIN = "CC0", "CC BY", "CC BY-SA", "CC BY-ND", "public domain"
OTHER, NONE = "other", "none"
COMMERCIAL_USE = frozenset({CC0, CC_BY, CC_BY_SA, CC_BY_ND, PUBLIC_DOMAIN})
"""Classes that permit commercial use; PMC's own commercial-use collection has the same."""

# From the freest to the strictest: where a statement names several, the strictest holds. (Many a CC BY article adds
# that its data are under CC0.)
_CLASSES = (PUBLIC_DOMAIN, CC0, CC_BY, CC_BY_SA, CC_BY_ND, "CC BY-NC", "CC BY-NC-SA", "CC BY-NC-ND")

_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_ALI_REFERENCE = "{http://www.niso.org/schemas/ali/1.0/}license_ref"
_ADDRESS = re.compile(
    r"creativecommons\.org/(?:licen[sc]es/(?P<parts>by[a-z-]*|nc[a-z-]*|publicdomain)|publicdomain/(?P<domain>zero|mark))",
    re.IGNORECASE,
)
_SHORT_NAME = re.compile(r"\bCC[ -]?(?:(?P<zero>0|zero)|(?P<parts>BY(?:[ -](?:NC|ND|SA))*))\b", re.IGNORECASE)
_LONG_NAME = re.compile(
    r"(?:Creative\s+Commons?|\bCC)\W+(?:\w+\W+){0,3}?Attribution"
    r"(?P<parts>(?:\W+(?:and\W+)?(?:Non\W?Commercial|No\W?Deriv\w*(?:\W+Works?)?|Share\W?Alike))*)",
    re.IGNORECASE,
)
_ZERO = re.compile(r"Creative\s+Commons\s+(?:CC0|Zero|Public\s+Domain)|Public\s+Domain\s+Dedication", re.IGNORECASE)
_NOT_COMMERCIAL = re.compile(r"\b(?:unrestricted|for|permits?|only|any)\s+(?:\w+\s+)?non\W?commercial", re.IGNORECASE)
_PUBLIC_DOMAIN = re.compile(
    r"\b(?:in|lies\s+in|within)\s+the\s+public\s+domain|work\s+of\s+the\s+(?:U\.?\s?S\.?|United\s+States)\s+Government"
    r"|^public.domain$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Licence:
    """The licence that an article states.

    Attributes:
        name: its class: "CC0", "CC BY", "CC BY-SA", "CC BY-ND", "CC BY-NC", "CC BY-NC-SA", "CC BY-NC-ND",
            "public domain"; "other" where it is none of these, "none" where none is stated.
        wording: the statement.
        url: the first address in it.
    """

    name: str
    wording: str
    url: str


def read_licence(front: etree._Element | None) -> Licence:
    """Read the licence of an article: `license` elements, or the copyright statement where there are none.

    An address of Creative Commons decides; else the wording; else `license-type`.

    Args:
        front: its `article-meta`.
    """
    statements = [] if front is None else [*front.iter("license"), *front.iter(_ALI_REFERENCE)]
    is_licence = bool(statements)
    if front is not None and not statements:
        statements = list(front.iter("copyright-statement"))
    wordings = [wording for statement in statements if (wording := inline_text(statement))]
    wording = " ".join(dict.fromkeys(wordings))
    addresses = [address for statement in statements for address in _addresses(statement)]
    types = [kind for statement in statements if (kind := statement.get("license-type"))]
    name = _classify(addresses, wording, types)
    if name is None:
        name = OTHER if is_licence and (wording or addresses or types) else NONE
    return Licence(name, wording, addresses[0] if addresses else "")


def _addresses(statement: etree._Element) -> Iterator[str]:
    for element in (statement, *statement.iter("ext-link", "uri")):
        if address := element.get(_XLINK_HREF, "").strip():
            yield address
    for reference in statement.iter(_ALI_REFERENCE):
        if address := inline_text(reference):
            yield address


def _classify(addresses: Iterable[str], wording: str, types: Iterable[str]) -> str | None:
    by_address = _strictest(found for text in (*addresses, wording) for found in _by_address(text))
    by_wording = _strictest(_by_wording(wording))
    # Wording may only tighten what an address says: "(http://.../by/3.0), which permits non-commercial use".
    if by_address is not None:
        is_tightened = by_wording is not None and "NC" in by_wording and "NC" not in by_address
        return by_wording if is_tightened else by_address
    return by_wording or _strictest(found for kind in types for found in _by_wording(kind))


def _strictest(names: Iterable[str]) -> str | None:
    return max(names, key=_CLASSES.index, default=None)


def _by_address(text: str) -> Iterator[str]:
    for match in _ADDRESS.finditer(text):
        parts = (match["parts"] or "").lower()
        if match["domain"]:
            yield CC0 if match["domain"].lower() == "zero" else PUBLIC_DOMAIN
        elif parts == "publicdomain":
            yield PUBLIC_DOMAIN
        else:
            yield _by_parts(parts)


def _by_wording(text: str) -> Iterator[str]:
    for match in _SHORT_NAME.finditer(text):
        yield CC0 if match["zero"] else _by_parts(match["parts"])
    for match in _LONG_NAME.finditer(text):
        parts = re.sub(r"\W", "", match["parts"].lower())
        marks = {"noncommercial": "nc", "noderiv": "nd", "sharealike": "sa"}
        yield _by_parts(" ".join(mark for word, mark in marks.items() if word in parts))
    if _ZERO.search(text):
        yield CC0
    elif _PUBLIC_DOMAIN.search(text):
        yield PUBLIC_DOMAIN
    if "creative commons" in text.lower() and _NOT_COMMERCIAL.search(text):
        yield "CC BY-NC"


def _by_parts(parts: str) -> str:
    """The class of "by-nc-nd" or "nc nd"; a licence with both is named by the stricter."""
    found = set(re.findall(r"nc|nd|sa", parts.lower()))
    name = "CC BY-NC" if "nc" in found else "CC BY"
    if "nd" in found:
        return f"{name}-ND"
    return f"{name}-SA" if "sa" in found else name

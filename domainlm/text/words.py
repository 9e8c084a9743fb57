"""Words as BERT's basic tokeniser sees them, with their places in the text."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LAST_PUNCTUATION = 0x1FFFF
"""No character above plane 1 is punctuation (Unicode 15)."""

_WHITE_SPACE = frozenset("\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85")
"""Control characters that separate words."""

IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
"""First and last code point of each block of CJK ideographs, as BERT lists them."""

IDEOGRAPHS_IN_CLASS = "".join(f"{chr(first)}-{chr(last)}" for first, last in IDEOGRAPHS)
"""The inside of a regular-expression class."""

_ASCII_SYMBOLS = "$+<=>^`|~"
"""ASCII characters that BERT counts as punctuation and Unicode as symbols."""


def split_words(text: str) -> tuple[tuple[int, int], ...]:
    """Return `(start, end)` of each word of `text`.

    White space separates words; every punctuation mark and every CJK ideograph is a word of its own (Devlin et al.
    2019, `BasicTokenizer`). Characters that BERT drops (control and format characters) belong to the word they stand
    in, and make no word by themselves.
    """
    return tuple(match.span() for match in _pattern().finditer(text))


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    alone = re.escape(_ASCII_SYMBOLS) + _class_of("P", _LAST_PUNCTUATION) + IDEOGRAPHS_IN_CLASS
    dropped = _class_of("C", 0xFFFF, exclude=_WHITE_SPACE)
    # The look-behind keeps a long run of dropped characters from being scanned again from each of its places.
    return re.compile(rf"[{alone}]|(?<![{dropped}])[{dropped}]*+[^\s{alone}{dropped}][^\s{alone}]*+")


def _class_of(category: str, last: int, exclude: frozenset[str] = frozenset()) -> str:
    """The inside of a regular-expression class: ranges of the characters whose category starts with `category`."""
    ranges: list[str] = []
    first: int | None = None
    for code in range(last + 2):
        character = chr(code)
        inside = code <= last and unicodedata.category(character).startswith(category) and character not in exclude
        if inside and first is None:
            first = code
        elif not inside and first is not None:
            ranges.append(f"{re.escape(chr(first))}-{re.escape(chr(code - 1))}")
            first = None
    return "".join(ranges)

"""Words as BERT's basic tokeniser sees them, with their places in the text."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LAST_PUNCTUATION = 0x1FFFF
"""No character above plane 1 is punctuation (Unicode 15)."""

_WHITE_SPACE = frozenset("\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85")
"""Control characters that separate words."""

_IDEOGRAPHS = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b920-\U0002ceaf\U0002f800-\U0002fa1f"
)
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
    alone = re.escape(_ASCII_SYMBOLS) + _class_of("P", _LAST_PUNCTUATION) + _IDEOGRAPHS
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

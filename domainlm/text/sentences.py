"""Splitting a paragraph into sentences by rules, at a few megabytes a second.

A mark (`.` `!` `?` or an ellipsis) followed by white space may end a sentence. Whether it does depends on what follows
and, after a single full stop, on the word before: see `_ends_sentence`. In doubt the text is not split. The marks of
other scripts that have white space behind a sentence are read like `!`; those of East Asian scripts always end one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from domainlm.text.abbreviations import (
    BEFORE_LABELS,
    BEFORE_NUMBERS,
    DESIGNATORS,
    MAY_BE_LAST,
    NEVER_LAST,
    STARTERS,
    TITLES,
)

_OPENING = "\"'\u201c\u2018\u201d\u2019\u00ab\u201e\u201a([{"  # German texts open with what English ones close with
_CLOSING = "\"'\u201d\u2019\u00bb)]}"
_DASH = "\u2013-"
_MARKS = (
    ".!?\u2026"
    "\u061f\u06d4"  # Arabic question mark and full stop
    "\u0964\u0965"  # danda and double danda, of Hindi and other languages of India
    "\u0589\u1362\u1367"  # Armenian; Ethiopic
    "\u104b\u17d4"  # Burmese; Khmer
)
_CANDIDATE = re.compile(
    rf"""
    (?<![{_MARKS}]) (?P<mark>[{_MARKS}]++)    # the whole run of marks
    [{re.escape(_CLOSING)}]*+                 # what the sentence closes
    (?:                                       # numbers of references that belong to the sentence:
      (?:\s?\[\d[\d,;\s{_DASH}]{{0,40}}\])++     # "... as shown. [3, 5-7] The next"
      | (?<=[a-z)\]][.]) \d{{1,3}} (?:[,{_DASH}]\d{{1,3}}){{0,9}}  # "... as shown.12,13 The next"
    )?
    (?P<gap>\s++)
    | [\u3002\uff01\uff1f\uff61]++ [{re.escape(_CLOSING)}\u300d\u300f\uff09\u300b]*+ (?P<wide>\s*+)
    """,
    re.VERBOSE,
)
_FOLLOWING = re.compile(rf"[{re.escape(_OPENING)}\u00bf\u00a1*_]*+(?P<word>\S{{0,40}})")
_LABEL = re.compile(r"[(\[]?(?:[+-]?\d|[IVXLC]+\b|[A-Z]\d|[A-Z]\b(?![.'\u2019]))")
_MIXED_CASE = re.compile(r"[a-z]{1,3}[A-Z0-9]")
_DOTTED = re.compile(r"(?:[A-Za-z]{1,3}\.)+[A-Za-z]{1,3}")
_ENUMERATOR = re.compile(r"[(\[]?(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[ivxIVX]{1,5})")
_LEADING_ZERO = re.compile(r"(?:.*\D)?0")
_HEADING = re.compile(r"[A-Z][\w-]+:")
_STARTING_SYMBOLS = frozenset("\u2014\u2013-\u2022\u00b7\u25aa*$\u20ac\u00a3\u00a5\u00a7#@")
_WINDOW = 60
"""Characters looked at before a mark; no abbreviation with the word before it is longer."""


def split_sentences(paragraph: str) -> list[tuple[int, int]]:
    """Return `(start, end)` of each sentence: in order, without white space around, covering every other character."""
    spans: list[tuple[int, int]] = []
    start = len(paragraph) - len(paragraph.lstrip())
    stop = len(paragraph.rstrip())
    for match in _CANDIDATE.finditer(paragraph):
        if match.end() > stop:
            break
        if match["wide"] is not None or _ends_sentence(paragraph, start, match):
            spans.append((start, match.start("gap" if match["wide"] is None else "wide")))
            start = match.end()
    if start < stop:
        spans.append((start, stop))
    return spans


def sentence_spans(text: str) -> Iterator[tuple[int, int]]:
    """Give out `(start, end)` of each sentence of a text of any number of lines; a sentence ends with its line."""
    line_start = 0
    for line in text.splitlines(keepends=True):
        for start, end in split_sentences(line):
            yield line_start + start, line_start + end
        line_start += len(line)


def joined_spans(spans: Iterable[tuple[int, int]], mentions: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join neighbouring sentences until every mention, given as its `(start, end)`, lies inside one."""
    ordered = sorted(mentions)
    joined: list[tuple[int, int]] = []
    reach, place = 0, 0  # the end of what mentions that begin before `start` cover
    for start, end in spans:
        while place < len(ordered) and ordered[place][0] < start:
            reach = max(reach, ordered[place][1])
            place += 1
        if joined and reach > start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    following = _FOLLOWING.match(text, match.end())
    word = following["word"] if following else ""
    if not _may_start(word):
        return False
    mark = match["mark"]
    if mark == ".":
        before, word_before = _words_before(text, start, match.start("mark"))
        is_first = match.start("mark") - len(before) == start
        return not _is_abbreviation(before, word_before, word, is_first=is_first)
    if "\u2026" in mark or mark.startswith(".."):
        return not word[0].isdigit()
    return True


def _may_start(word: str) -> bool:
    """Whether a sentence may start with `word` (opening quotes and brackets taken off)."""
    first = word[:1]
    if first.islower():
        return _MIXED_CASE.match(word) is not None
    return first.isalnum() or first in _STARTING_SYMBOLS if first else False


def _words_before(text: str, start: int, stop: int) -> tuple[str, str]:
    """The last two words before `stop`, the nearest first; empty where a blank stands before `stop`."""
    window = text[max(start, stop - _WINDOW) : stop]
    if not window or window[-1].isspace():
        return "", ""
    words = window.split()
    return words[-1], words[-2] if len(words) > 1 else ""


def _is_abbreviation(before: str, word_before: str, word: str, *, is_first: bool) -> bool:
    """Whether the full stop after `before` belongs to it and the sentence goes on with `word`."""
    if not before or before[-1] in _CLOSING:  # "(group B)." closes more than the word
        return False
    bare = before.lstrip(_OPENING)
    folded = bare.lower()
    is_enumerator = is_first and _ENUMERATOR.fullmatch(before) is not None
    if is_enumerator or bare in TITLES or folded in NEVER_LAST:
        return True
    if word[0].isdigit() and (folded in BEFORE_NUMBERS or _LEADING_ZERO.fullmatch(bare)):  # "0. 05", a broken decimal
        return True
    if folded in BEFORE_LABELS and _LABEL.match(word):
        return True
    return _may_be_abbreviation(bare, word_before) and not _is_starter(word)


def _may_be_abbreviation(bare: str, word_before: str) -> bool:
    if len(bare) == 1 and bare.isupper():
        names_something = word_before.lstrip(_OPENING).lower() in DESIGNATORS  # "in group B."
        is_unit = word_before[-1:].isdigit()  # "of 4.2 L."
        return not names_something and not is_unit
    return bare.lower() in MAY_BE_LAST or _DOTTED.fullmatch(bare) is not None


def _is_starter(word: str) -> bool:
    return re.split(r"[,;:'\u2019]", word, maxsplit=1)[0] in STARTERS or _HEADING.match(word) is not None

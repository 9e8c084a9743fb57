"""Tag schemes of entity files: which one a file uses, and from tags to entities.

    words    IOB1    IOB2    IOBES   BILOU      entities
    Ada      I-P     B-P     B-P     B-P        Ada Lovelace
    Lovelace I-P     I-P     E-P     L-P
    Babbage  B-P     B-P     S-P     U-P        Babbage
    met      O       O       O       O

BIO is another name of IOB2, and BIOES of IOBES. Source: Ramshaw and Marcus 1995 (IOB1); Ratnaparkhi 1998 (IOB2);
Ratinov and Roth 2009 (BILOU).

The scheme is judged from all tags of a file. E- and S- tags say IOBES, L- and U- tags BILOU, and both in one file are
refused, as is any other letter and a file with E- or L- tags but no B- tags (an IOE scheme). Otherwise it is IOB1
where more entities open with I- than open with a B- that IOB1 would not need, and IOB2 else.

Tags are then read leniently, and in one way for all schemes: B- and S- always open an entity, the others open one
where no entity of their type is open, E- and S- close it, and so does the end of the sentence. For files that keep to
their scheme this is what the scheme says. Tags that break it are reported, and not refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from domainlm.errors import DataError

Scheme = Literal["IOB1", "IOB2", "IOBES", "BILOU"]
ALLOWED = "tags of one of the schemes IOB1, IOB2 (BIO), IOBES (BIOES) and BILOU: O, or a letter, a hyphen and a type"
UNTYPED = "entity"
"""The type of entities in files whose tags have none (B and I in place of B-X and I-X)."""

_NO_WORD = "correct the tag, which is the last column; take out what is no word: a line of column names, comments"
_FAMILIES: dict[str, Scheme] = {"E": "IOBES", "S": "IOBES", "L": "BILOU", "U": "BILOU"}
_LETTERS = frozenset("OBI") | _FAMILIES.keys()
_NOTHING = ("O", "")


class Span(NamedTuple):
    """An entity in words: `start` to `end` (exclusive)."""

    start: int
    end: int
    type: str


def split_tag(tag: str) -> tuple[str, str]:
    """Split a tag into letter and type; `("", "")` where it is no tag. The type is what follows the first hyphen."""
    letter, hyphen, entity_type = tag.partition("-")
    if letter not in _LETTERS or bool(hyphen) != bool(entity_type) or (letter == "O" and hyphen):
        return "", ""
    return letter, "" if letter == "O" else entity_type or UNTYPED


def read_spans(tags: Sequence[str]) -> list[Span]:
    """The entities of one sentence, in order, none of them overlapping another."""
    spans: list[Span] = []
    start, open_type = 0, ""
    for place, (letter, entity_type) in enumerate(map(split_tag, tags)):
        goes_on = letter in {"I", "E", "L"} and entity_type == open_type
        if open_type and not goes_on:
            spans.append(Span(start, place, open_type))
        start = start if goes_on else place
        open_type = entity_type
        if letter in _FAMILIES:
            spans.append(Span(start, place + 1, entity_type))
            open_type = ""
    if open_type:
        spans.append(Span(start, len(tags), open_type))
    return spans


def find_breaks(tags: Sequence[str], scheme: Scheme) -> list[int]:
    """Places of the tags that cannot stand where they stand; the last one too where it leaves an entity unfinished."""
    pairs = [_NOTHING, *map(split_tag, tags), _NOTHING]
    wrong = {place for place, (before, tag) in enumerate(pairwise(pairs)) if not _may_follow(scheme, before, tag)}
    return sorted({min(place, len(tags) - 1) for place in wrong})


def _may_follow(scheme: Scheme, before: tuple[str, str], tag: tuple[str, str]) -> bool:
    letter, entity_type = tag
    same_type = before[1] == entity_type
    if scheme == "IOB2":
        return letter != "I" or same_type
    if scheme == "IOB1":
        return letter != "B" or same_type
    if before[0] in {"B", "I"}:
        return letter in {"I", "E", "L"} and same_type
    return letter not in {"I", "E", "L"}


@dataclass(slots=True)
class SchemeDetector:
    """Collects the evidence of one file, sentence by sentence, and then names the scheme.

    Attributes:
        path: the file, for messages.
    """

    path: Path
    _first: dict[str, tuple[int, str]] = field(default_factory=dict)
    _num_opening: Counter[str] = field(default_factory=Counter)

    def add(self, tags: Sequence[str], first_line: int) -> None:
        """Take the tags of one sentence, which stand in consecutive lines.

        Raises:
            DataError: a tag is of none of the schemes.
        """
        type_before = ""
        for line, tag in enumerate(tags, first_line):
            letter, entity_type = split_tag(tag)
            if not letter:
                raise self._refusal("unknown tag", line, tag, remedy=_NO_WORD)
            self._first.setdefault(letter, (line, tag))
            if entity_type != type_before:
                self._num_opening[letter] += 1
            type_before = entity_type

    def scheme(self) -> Scheme:
        """The scheme of all that was added.

        Raises:
            DataError: tags of IOBES and BILOU are mixed, or the tags are of an IOE scheme.
        """
        first: dict[Scheme, tuple[int, str]] = {}
        for letter, place in self._first.items():
            if letter in _FAMILIES:
                family = _FAMILIES[letter]
                first[family] = min(first.get(family, place), place)
        if len(first) > 1:
            raise self._refusal("mixed tag schemes: IOBES and BILOU", *max(first.values()))
        ends = sorted(self._first[letter] for letter in ("E", "L") if letter in self._first)
        if ends and "B" not in self._first:
            raise self._refusal("unknown tag scheme: entities end, but none begins with B-", *ends[0])
        if first:
            return next(iter(first))
        return "IOB1" if self._num_opening["I"] > self._num_opening["B"] else "IOB2"

    def _refusal(self, problem: str, line: int, tag: str, *, remedy: str | None = None) -> DataError:
        return DataError(problem, where=f"{self.path}:{line}", given=tag, allowed=ALLOWED, remedy=remedy)

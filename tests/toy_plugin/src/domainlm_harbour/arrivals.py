"""Notices of arrival: one a line, mentions marked as `[type text]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from domainlm.api import DataError, Entity, ProblemLog, TokenExample

_MENTION = re.compile(r"\[(\w+) ([^\]]+)\]")
_WORD = re.compile(r"\w+|[^\w\s]")


def read_arrivals(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream the notices of one file; a line with a stray bracket is left out and counted.

    Raises:
        DataError: the file is missing, or holds no notice.
    """
    if not path.is_file():
        raise DataError("no such file of notices", where=path)
    num_notices = 0
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            text, entities = _unmark(line.strip())
            if "[" in text or "]" in text:
                problems.add("stray bracket", line.strip(), path=path, line=number)
                continue
            num_notices += 1
            words = tuple(match.span() for match in _WORD.finditer(text))
            yield TokenExample(f"notice-{number}", text, words, entities)
    if not num_notices:
        raise DataError("no notice in this file", where=path, allowed="The [ship Vega] left [port Oslo].")


def _unmark(line: str) -> tuple[str, tuple[Entity, ...]]:
    """The text without marks, and the mentions in it."""
    text, entities, end = "", [], 0
    for match in _MENTION.finditer(line):
        text += line[end : match.start()]
        entities.append(Entity(len(text), len(text) + len(match[2]), match[1]))
        text += match[2]
        end = match.end()
    return text + line[end:], tuple(entities)

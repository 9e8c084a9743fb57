"""Notices of arrival: one a line, mentions marked as `[type text]`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from domainlm.api import DataError, Entity, ProblemLog, TokenExample
from domainlm.reading import open_text, split_words

_MENTION = re.compile(r"\[(\w+) ([^\]]+)\]")


def read_arrivals(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream the notices of one file; a line with a stray bracket is left out and counted.

    Raises:
        DataError: the file cannot be read, or holds no notice.
    """
    num_notices = 0
    for number, line in enumerate(open_text(path), start=1):
        if not line.strip():
            continue
        text, entities = _unmark(line.strip())
        if "[" in text or "]" in text:
            problems.add("stray bracket", line.strip(), path=path, line=number)
            continue
        num_notices += 1
        yield TokenExample(f"notice-{number}", text, split_words(text), entities)
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

"""Files of one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from domainlm.api import ProblemLog
from domainlm.text.files import open_text

Record = Mapping[str, object]


def read_records(path: Path, problems: ProblemLog) -> Iterator[tuple[int, Record]]:
    """Stream the objects with their line numbers; blank lines are passed over, damaged ones counted.

    Raises:
        DataError: the file cannot be read.
    """
    for line, content in enumerate(open_text(path, problems), 1):
        if not content.strip():
            continue
        try:
            record = json.loads(content)
        except (ValueError, RecursionError) as error:
            problems.add("line is not JSON", str(error) or "too deeply nested", path=path, line=line)
            continue
        if isinstance(record, dict):
            yield line, record
        else:
            problems.add("line is not a JSON object", type(record).__name__, path=path, line=line)


def text_of(record: Record, path: Path, line: int, problems: ProblemLog) -> str | None:
    """The record's "text"; None, and a count, where there is none that could be encoded."""
    text = record.get("text")
    if not isinstance(text, str):
        what = "it is no string" if "text" in record else f"its keys: {', '.join(record) or 'none'}"
        problems.add('record without a "text"', f"{what}; left out", path=path, line=line)
        return None
    if not text.strip():
        problems.add("empty text", "record left out", path=path, line=line)
        return None
    if not is_encodable(text):
        problems.add("text holds half of a surrogate pair", "record left out", path=path, line=line)
        return None
    return text


def id_of(record: Record, default: str) -> str:
    """The record's "id" where it is a string or a whole number, else `default`."""
    given = record.get("id")
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    return given if isinstance(given, str) and given and is_encodable(given) else default


def is_encodable(text: str) -> bool:
    """Whether the text is Unicode: JSON can write half of a surrogate pair, which no encoding can store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

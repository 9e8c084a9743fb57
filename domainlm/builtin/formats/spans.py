"""Entity annotations as character spans, one JSON object a line.

    {"id": "log-17", "text": "The Vega left Oslo.", "entities": [{"start": 4, "end": 8, "type": "ship"}]}

Offsets count characters (Unicode code points), the end is exclusive. "id" is optional; an entity may carry its own
"text", which is then compared. Other keys are ignored. What is wrong with one mention costs that mention alone: it is
left out and counted, the others of its record stay. Blanks at the ends of a mention are cut, and counted. A record
without "entities" is left out and counted, because a misspelled key must not turn into a text without mentions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

from domainlm.api import DataError, Entity, ProblemLog, TokenExample
from domainlm.builtin.formats.names import file_stem
from domainlm.builtin.formats.records import id_of, is_encodable, read_records, text_of
from domainlm.text.annotated import sound_entity
from domainlm.text.words import split_words


def read_spans_jsonl(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream the records of one file; words are those of `domainlm.text.words.split_words`.

    Args:
        path: the file, plain or `.gz`.
        problems: told of lines, records and mentions left out, and of ids given twice (the later one is renamed).

    Raises:
        DataError: the file cannot be read, or holds no sound record.
    """
    stem = file_stem(path)
    ids: set[str] = set()
    for line, record in read_records(path, problems):
        text = text_of(record, path, line, problems)
        if text is None:
            continue
        listed = record.get("entities")
        if not isinstance(listed, list):
            problems.add('record without a list of "entities"', "record left out", path=path, line=line)
            continue
        name = id_of(record, f"{stem}:{line}")
        if name in ids:
            problems.add("id given twice", name, path=path, line=line)
            name = f"{name}#{line}"
        ids.add(name)
        entities = {entity for entry in listed if (entity := read_entity(entry, text, path, line, problems))}
        yield TokenExample(name, text, split_words(text), tuple(sorted(entities)))
    if not ids:
        raise DataError(
            "no record with a text and its entities",
            where=path,
            given=problems.summary() or None,
            allowed='{"text": "...", "entities": [{"start": 0, "end": 3, "type": "..."}]} in each line',
        )


def read_entity(entry: object, text: str, path: Path, line: int, problems: ProblemLog) -> Entity | None:
    """A mention given as {"start", "end", "type"}; None, and a count, where it is not sound."""
    if not isinstance(entry, dict):
        problems.add("entity is not a JSON object", f"{type(entry).__name__}, left out", path=path, line=line)
        return None
    start, end, entity_type = entry.get("start"), entry.get("end"), entry.get("type")
    if not _is_offset(start) or not _is_offset(end) or not _is_type(entity_type):
        detail = f"start {start!r}, end {end!r}, type {entity_type!r}, left out"
        problems.add("entity needs start, end and type", detail, path=path, line=line)
        return None
    if not start < end <= len(text):
        detail = f"{start} to {end} in a text of {len(text)} characters, left out"
        problems.add("entity offsets outside of the text", detail, path=path, line=line)
        return None
    if "text" in entry and entry["text"] != text[start:end]:
        detail = f"{entry['text']!r} given, {text[start:end]!r} found, left out"
        problems.add("mention text differs", detail, path=path, line=line)
        return None
    return sound_entity(text, [(start, end)], entity_type, problems=problems, path=path, line=line)


def _is_offset(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_type(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip()) and is_encodable(value)

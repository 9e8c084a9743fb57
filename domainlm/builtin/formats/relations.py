"""Documents with mentions and relations between them, one JSON object a line.

    {"id": "log-17", "text": "The Vega left Oslo.",
     "entities": [{"id": "a", "start": 4, "end": 8, "type": "ship"},
                  {"id": "b", "start": 14, "end": 18, "type": "port"}],
     "relations": [{"first": "a", "second": "b", "label": "left"}]}

(in one line). Offsets count characters, the end is exclusive. An entity without an id is known by its place in the
list, from 0. What is wrong with a mention or a relation costs that one alone: it is left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from domainlm.api import DataError, Mention, ProblemLog, Relation, RelationExample
from domainlm.builtin.formats.ids import UniqueIds
from domainlm.builtin.formats.names import file_stem
from domainlm.builtin.formats.records import id_of, is_encodable, read_records, text_of
from domainlm.builtin.formats.spans import read_entity


def read_relations_jsonl(path: Path, problems: ProblemLog) -> Iterator[RelationExample]:
    """Stream the documents of one file.

    Args:
        path: the file, plain or `.gz`.
        problems: told of lines, records, mentions and relations left out, and of ids given twice.

    Raises:
        DataError: the file cannot be read, or holds no sound record.
    """
    ids = UniqueIds(path, problems)
    stem = file_stem(path)
    for line, record in read_records(path, problems):
        text = text_of(record, path, line, problems)
        if text is None:
            continue
        listed, related = record.get("entities"), record.get("relations")
        if not isinstance(listed, list) or not isinstance(related, list):
            detail = "record left out"
            problems.add('record without lists of "entities" and "relations"', detail, path=path, line=line)
            continue
        mentions = _mentions(listed, text, path, line, problems)
        relations = {each for entry in related if (each := _relation(entry, mentions, path, line, problems))}
        name = ids.unique(id_of(record, f"{stem}:{line}"), line)
        ordered = sorted(mentions.values(), key=lambda each: (each.start, each.end, each.type, each.id))
        yield RelationExample(name, text, tuple(ordered), tuple(sorted(relations)))
    if not ids:
        raise DataError(
            "no record with a text, its entities and their relations",
            where=path,
            given=problems.summary() or None,
            allowed='{"text": ..., "entities": [{"id", "start", "end", "type"}], "relations": [{"first", "second", '
            '"label"}]} in each line',
        )


def _mentions(listed: list[object], text: str, path: Path, line: int, problems: ProblemLog) -> dict[str, Mention]:
    mentions: dict[str, Mention] = {}
    for place, entry in enumerate(listed):
        entity = read_entity(entry, text, path, line, problems)
        if entity is None:
            continue
        name = id_of(entry, str(place)) if isinstance(entry, Mapping) else str(place)
        if name in mentions:
            problems.add("mention id given twice", f"{name}, left out", path=path, line=line)
            continue
        mentions[name] = Mention(name, entity.start, entity.end, entity.type)
    return mentions


def _relation(
    entry: object, mentions: Mapping[str, Mention], path: Path, line: int, problems: ProblemLog
) -> Relation | None:
    if not isinstance(entry, dict):
        problems.add("relation is not a JSON object", f"{type(entry).__name__}, left out", path=path, line=line)
        return None
    first, second = (_reference(entry.get(key)) for key in ("first", "second"))
    label = entry.get("label")
    if not isinstance(label, str) or not label.strip() or not is_encodable(label):
        problems.add("relation without a label", f"{label!r}, left out", path=path, line=line)
        return None
    if first not in mentions or second not in mentions:
        problems.add("relation with an unknown mention", f"{first!r} to {second!r}, left out", path=path, line=line)
        return None
    if first == second:
        problems.add("relation of a mention with itself", f"{first!r}, left out", path=path, line=line)
        return None
    return Relation(first, second, label)


def _reference(value: object) -> str:
    """An id as it is known: numbers as text."""
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""

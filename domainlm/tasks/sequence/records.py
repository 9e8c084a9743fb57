"""Mentions in records that are to be predicted for."""

from __future__ import annotations

from typing import TypeGuard

from domainlm.api import Mention
from domainlm.tasks.models import Record

_ALLOWED = '[{"start": 0, "end": 4, "type": "...", "id": "..."}]'


def mentions_of(record: Record, key: str = "entities") -> tuple[Mention, ...]:
    """The mentions that a record lists, sorted by place; one without an id is known by its place in the list.

    Raises:
        DataError: they are no list of mentions within the record's text, or two of them have one id.
    """
    listed = record.fields.get(key, ())
    if not isinstance(listed, (list, tuple)):
        raise record.error(f'"{key}" is no list', given=repr(listed)[:80], allowed=_ALLOWED)
    length = len(record.text())
    mentions: dict[str, Mention] = {}
    for place, entry in enumerate(listed):
        mention = _mention(entry, place, length)
        if mention is None or mention.id in mentions:
            raise record.error(f'"{key}" holds no mention of its own', given=repr(entry)[:80], allowed=_ALLOWED)
        mentions[mention.id] = mention
    return tuple(sorted(mentions.values(), key=lambda each: (each.start, each.end, each.type, each.id)))


def _mention(entry: object, place: int, length: int) -> Mention | None:
    if not isinstance(entry, dict):
        return None
    start, end, kind, name = (entry.get(key) for key in ("start", "end", "type", "id"))
    if not _is_offset(start) or not _is_offset(end) or not start < end <= length or not isinstance(kind, str):
        return None
    return Mention(str(place) if name is None else str(name), start, end, kind)


def _is_offset(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

"""BioC collections (Comeau et al. 2013), as XML and as JSON: documents of passages, with mentions at offsets.

A passage, or each of its sentences where the passage itself has no text, is a text of its own. Offsets of mentions
count from the start of the document, and the passage says where it begins. A mention of a passage that is read by its
sentences belongs to the one that holds it; one that none holds is left out and counted. So is one whose text is not at
its offsets; one of several places is read as all from its first to its last character, and counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from domainlm.api import DataError, Entity, ProblemLog, TokenExample
from domainlm.reading import sentence_examples, sound_entity
from domainlm_biomegatron.readers.bytes import DamagedFileError, read_pieces, report_break
from domainlm_biomegatron.readers.xml import DAMAGED_FILE, line_of, stream_records

if TYPE_CHECKING:
    from lxml import etree

_DIFFERS = "mention text differs"
_MALFORMED = "malformed mention"


@dataclass(frozen=True, slots=True)
class _Mention:
    type: str
    text: str
    places: Sequence[tuple[int, int]]  # offset and length


@dataclass(frozen=True, slots=True)
class _Passage:
    """A text, where it begins in its document, and what was said of it."""

    offset: int
    text: str
    mentions: Sequence[_Mention]
    line: int | None = None

    def holds(self, mention: _Mention) -> bool:
        """Whether a mention lies in it with all its places."""
        end = self.offset + len(self.text)
        return all(self.offset <= at and at + length <= end for at, length in mention.places)


@dataclass(slots=True)
class _Document:
    name: str
    passages: list[_Passage] = field(default_factory=list)


def read_bioc(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream the sentences of one file, XML or JSON, plain or gzipped; `id` is "DOCUMENT:n", from 0.

    Args:
        path: the file. Which of the two it is, is told from its first character.
        problems: told of mentions that are left out or mended, of damaged documents and of ids that come again.

    Raises:
        DataError: missing, empty, damaged, or no BioC collection.
    """
    seen: set[str] = set()
    for document in _documents_json(path, problems) if _is_json(path) else _documents_xml(path, problems):
        if document.name in seen:
            problems.add("id again (the first document is kept)", document.name, path=path)
            continue
        seen.add(document.name)
        number = 0
        for passage in document.passages:
            for example in sentence_examples("", passage.text, _entities(passage, path, problems)):
                yield TokenExample(f"{document.name}:{number}", example.text, example.words, example.entities)
                number += 1
    if not seen:
        raise DataError("no document", where=path, given=problems.summary() or None)


def _entities(passage: _Passage, path: Path, problems: ProblemLog) -> Iterator[Entity]:
    for mention in passage.mentions:
        fragments = [(at - passage.offset, at - passage.offset + length) for at, length in mention.places]
        inside = all(0 <= start < end <= len(passage.text) for start, end in fragments)
        found = " ".join(passage.text[start:end] for start, end in fragments) if inside else ""
        if inside and mention.text.split() != found.split():
            detail = f"{mention.text[:80]!r} at {mention.places}, where {found[:80]!r} is"
            problems.add(_DIFFERS, detail, path=path, line=passage.line)
            continue
        entity = sound_entity(passage.text, fragments, mention.type, problems=problems, path=path, line=passage.line)
        if entity is not None:
            yield entity


def _is_json(path: Path) -> bool:
    try:
        first = next(read_pieces(path)).removeprefix(b"\xef\xbb\xbf").lstrip()
    except DamagedFileError as damage:
        raise DataError("damaged file, nothing could be read", where=path, given=str(damage)) from None
    return first[:1] in {b"{", b"["}


def _documents_xml(path: Path, problems: ProblemLog) -> Iterator[_Document]:
    records = stream_records(read_pieces(path), path, roots=("collection",), records=("document",), problems=problems)
    for number, record in enumerate(records):
        document = _Document((record.findtext("id") or "").strip() or f"document-{number}")
        for passage in record.iterfind("passage"):
            sentences = passage.findall("sentence")
            if (passage.findtext("text") or "").strip() or not sentences:
                document.passages += _present([_passage_xml(passage, path, problems)])
                continue
            found = _present(_passage_xml(sentence, path, problems) for sentence in sentences)
            loose = _mentions_xml(passage.iterfind("annotation"), path, problems)
            document.passages += _with_loose(found, loose, document.name, path, problems)
        yield document


def _present(passages: Iterable[_Passage | None]) -> list[_Passage]:
    return [passage for passage in passages if passage is not None]


def _with_loose(
    sentences: Sequence[_Passage], loose: Iterable[_Mention], name: str, path: Path, problems: ProblemLog
) -> list[_Passage]:
    """The sentences of a passage, each with those mentions of the passage that it holds."""
    mentions = [list(sentence.mentions) for sentence in sentences]
    for mention in loose:
        place = next((place for place, sentence in enumerate(sentences) if sentence.holds(mention)), None)
        if place is None:
            detail = f"document {name}, {mention.text[:80]!r} at {mention.places}"
            problems.add("mention of a passage in none of its sentences (left out)", detail, path=path)
        elif mention not in mentions[place]:
            mentions[place].append(mention)
    return [replace(sentence, mentions=own) for sentence, own in zip(sentences, mentions, strict=True)]


def _passage_xml(element: etree._Element, path: Path, problems: ProblemLog) -> _Passage | None:
    text, offset = element.findtext("text") or "", _whole(element.findtext("offset"))
    if not text.strip():
        if element.find(".//annotation") is not None:
            problems.add("passage without a text (left out)", f"<{element.tag}>", path=path, line=line_of(element))
        return None
    if offset is None:
        problems.add("passage without an offset (left out)", text[:80], path=path, line=line_of(element))
        return None
    mentions = _mentions_xml(element.iter("annotation"), path, problems)
    return _Passage(offset, text, mentions, line_of(element))


def _mentions_xml(annotations: Iterable[etree._Element], path: Path, problems: ProblemLog) -> list[_Mention]:
    mentions = []
    for annotation in annotations:
        places = [(_whole(each.get("offset")), _whole(each.get("length"))) for each in annotation.iterfind("location")]
        entity_type = next(
            (each.text or "" for each in annotation.iterfind("infon") if each.get("key") == "type"), ""
        ).strip()
        sound = [(at, length) for at, length in places if at is not None and length is not None]
        if not entity_type or not places or len(sound) != len(places):
            problems.add(_MALFORMED, f"annotation {annotation.get('id')}", path=path, line=line_of(annotation))
            continue
        mentions.append(_Mention(entity_type, annotation.findtext("text") or "", sound))
    return mentions


def _documents_json(path: Path, problems: ProblemLog) -> Iterator[_Document]:
    try:
        content = json.loads(b"".join(read_pieces(path)))
    except DamagedFileError as damage:
        report_break(problems, DAMAGED_FILE, str(damage), where=path)
        return
    except (ValueError, RecursionError) as error:
        raise DataError("not JSON", where=path, given=str(error) or "too deeply nested") from error
    for number, record in enumerate(_listed_documents(content, path)):
        if not isinstance(record, dict):
            problems.add("document is not a JSON object (left out)", type(record).__name__, path=path)
            continue
        document = _Document(_name_json(record.get("id"), number))
        if not isinstance(record.get("passages"), list):
            problems.add("document without a list of passages (left out)", document.name, path=path)
        elif not all(isinstance(each, dict) for each in record["passages"]):
            problems.add("passage is not a JSON object (left out)", document.name, path=path)
        for passage in _objects(record.get("passages")):
            document.passages += _passages_json(passage, document.name, path, problems)
        yield document


def _name_json(given: object, number: int) -> str:
    if _is_whole(given):
        return str(given)
    return given if _is_text(given) and given else f"document-{number}"


def _listed_documents(content: object, path: Path) -> list[object]:
    if isinstance(content, dict) and isinstance(content.get("documents"), list):
        return list(content["documents"])
    if isinstance(content, dict) and len(content) == 1:  # {"PubTator3": [documents]}, as its interface answers
        content = next(iter(content.values()))
    if isinstance(content, list):
        return content
    raise DataError("not a BioC collection", where=path, allowed='{"documents": [{"id", "passages": [...]}, ...]}')


def _objects(listed: object) -> list[Mapping[str, object]]:
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _passages_json(passage: Mapping[str, object], name: str, path: Path, problems: ProblemLog) -> list[_Passage]:
    """The passage itself where it has a text, else its sentences."""
    text, sentences = passage.get("text"), _objects(passage.get("sentences"))
    if (isinstance(text, str) and text.strip()) or not sentences:
        return _present([_passage_json(passage, name, path, problems)])
    found = _present(_passage_json(sentence, name, path, problems) for sentence in sentences)
    listed = passage.get("annotations")
    loose = _mentions_json(listed if isinstance(listed, list) else [], name, path, problems)
    return _with_loose(found, loose, name, path, problems)


def _passage_json(part: Mapping[str, object], name: str, path: Path, problems: ProblemLog) -> _Passage | None:
    text, offset = part.get("text"), part.get("offset", 0)
    if not isinstance(text, str) or not text.strip():
        if not isinstance(text, str) or part.get("annotations"):
            problems.add("passage without a text (left out)", f"document {name}", path=path)
        return None
    if not _is_whole(offset) or not _is_text(text):
        problems.add("passage with a wrong offset or text (left out)", f"document {name}", path=path)
        return None
    return _Passage(offset, text, _mentions_json(_annotations(part), name, path, problems))


def _mentions_json(annotations: Iterable[object], name: str, path: Path, problems: ProblemLog) -> list[_Mention]:
    mentions = []
    for annotation in annotations:
        mention = _mention_json(annotation)
        if mention is None:
            problems.add(_MALFORMED, f"document {name}", path=path)
        else:
            mentions.append(mention)
    return mentions


def _annotations(part: Mapping[str, object]) -> Iterator[object]:
    """Those of a passage and of its sentences."""
    listed, sentences = part.get("annotations"), part.get("sentences")
    yield from listed if isinstance(listed, list) else []
    for sentence in sentences if isinstance(sentences, list) else []:
        if isinstance(sentence, dict):
            yield from _annotations(sentence)


def _mention_json(annotation: object) -> _Mention | None:
    if not isinstance(annotation, dict):
        return None
    infons, text, listed = annotation.get("infons"), annotation.get("text"), annotation.get("locations")
    entity_type = infons.get("type") if isinstance(infons, dict) else None
    if not _is_text(entity_type) or not entity_type.strip() or not isinstance(text, str):
        return None
    places: list[tuple[int, int]] = []
    for place in listed if isinstance(listed, list) else []:
        at, length = (place.get("offset"), place.get("length")) if isinstance(place, dict) else (None, None)
        if not _is_whole(at) or not _is_whole(length):
            return None
        places.append((at, length))
    return _Mention(entity_type.strip(), text, places) if places else None


def _whole(text: str | None) -> int | None:
    content = (text or "").strip()
    return int(content) if content.isascii() and content.isdecimal() and len(content) < 16 else None


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: object) -> TypeGuard[str]:
    """Whether it is text that can be stored: JSON can write half of a surrogate pair."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)

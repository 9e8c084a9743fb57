"""Texts in and tagged texts out, a line each."""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from domainlm.errors import DataError

if TYPE_CHECKING:
    from domainlm.tasks.load import TaggedText, Tagger

JSONL = "jsonl"
TEXT = "text"
STANDARD_STREAM = "-"


@dataclass(frozen=True, slots=True)
class InputText:
    """A text to tag, with the id it came with, or its line number."""

    id: str | int
    text: str


def read_texts(source: str, form: str | None) -> Iterator[InputText]:
    """Stream the texts of a file or of standard input.

    Args:
        source: a file (`.gz` too), or "-" for standard input.
        form: "text", a text a line, or "jsonl"; judged from the file's name and first line where None.

    Raises:
        DataError: the file cannot be read, or a line is not what it should be.
    """
    lines = _stdin_lines() if source == STANDARD_STREAM else _file_lines(Path(source))
    where = "standard input" if source == STANDARD_STREAM else source
    first = next(lines, None)
    if first is None:
        return
    if form is None:
        named_so = source.removesuffix(".gz").endswith(f".{JSONL}")
        form = JSONL if named_so or _text_of(_parsed(first)) is not None else TEXT
    for number, line in enumerate(chain([first], lines), start=1):
        if form == TEXT:
            yield InputText(number, line)
        elif line.strip():
            yield _from_json(line, number, f"{where}:{number}")


def tag_lines(tagger: Tagger, texts: Iterable[InputText]) -> Iterator[str]:
    """Tag texts and yield a line of JSON for each; the tagger may read some texts ahead."""
    ahead: deque[InputText] = deque()

    def given() -> Iterator[str]:
        for entry in texts:
            ahead.append(entry)
            yield entry.text

    for tagged in tagger.tag(given()):
        yield _as_json(ahead.popleft(), tagged)


@contextmanager
def open_output(target: str) -> Iterator[Callable[[str], object]]:
    """Give a function that writes a line; a file appears under its name when all is written, or not at all."""
    if target == STANDARD_STREAM:
        yield print
        return
    path = Path(target)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("w", encoding="utf-8") as stream:
            yield lambda line: stream.write(f"{line}\n")
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _file_lines(path: Path) -> Iterator[str]:
    from domainlm.text.files import open_text

    return iter(open_text(path))


def _stdin_lines() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"not UTF-8 at byte {error.start} of the line",
                where=f"standard input:{number}",
                remedy="convert the text to UTF-8",
            ) from None


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _text_of(record: object) -> str | None:
    text = record.get("text") if isinstance(record, dict) else None
    return text if isinstance(text, str) else None


def _from_json(line: str, number: int, where: str) -> InputText:
    record = _parsed(line)
    text = _text_of(record)
    if text is None or not isinstance(record, dict):
        raise DataError(
            "not a text",
            where=where,
            given=line[:80],
            allowed='{"id": ..., "text": "..."}',
            remedy="or pass --format text",
        )
    identity = record.get("id", number)
    if not isinstance(identity, (str, int)):
        raise DataError("an id must be text or a whole number", where=where, given=identity)
    return InputText(identity, text)


def _as_json(given: InputText, tagged: TaggedText) -> str:
    entities = [
        {
            "start": entity.start,
            "end": entity.end,
            "type": entity.type,
            "text": entity.text,
            "score": round(entity.score, 4),
        }
        for entity in tagged.entities
    ]
    return json.dumps({"id": given.id, "text": given.text, "entities": entities}, ensure_ascii=False)

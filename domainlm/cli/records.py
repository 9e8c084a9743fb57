"""Records to predict for: lines of text, JSON lines, or the files of a task."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from domainlm.api import ProblemLog
from domainlm.cli.logs import warn_of_problems
from domainlm.cli.texts import STANDARD_STREAM
from domainlm.errors import DataError

if TYPE_CHECKING:
    from domainlm.api import TaskSpec
    from domainlm.tasks.models import Record

JSONL = "jsonl"
TEXT = "text"


def read_records(
    source: str, form: str | None, columns: Sequence[str] = ("text",), num_needed: int | None = None
) -> Iterator[Record]:
    """Stream the records of a file or of standard input.

    Args:
        source: a file (`.gz` too), or "-" for standard input.
        form: "text", a record a line, or "jsonl"; where None, the file's name or first line that is not blank tells.
        columns: what a line of text holds, with tabs between; one column takes the whole line.
        num_needed: how many of these a line must have; all where None.

    Raises:
        DataError: the file cannot be read, or a line is not what it should be.
    """
    from domainlm.tasks.models import Record

    lines = _stdin_lines() if source == STANDARD_STREAM else _file_lines(Path(source))
    name = "standard input" if source == STANDARD_STREAM else source
    if form is None and source.removesuffix(".gz").endswith(f".{JSONL}"):
        form = JSONL
    if form is None:
        form, lines = _judged(lines)
    for number, line in enumerate(lines, start=1):
        where = f"{name}:{number}"
        if form == TEXT:
            yield Record(number, _cells(line, columns, num_needed or len(columns), where), where)
        elif line.strip():
            yield _from_json(line, number, where)


def _judged(lines: Iterator[str]) -> tuple[str, Iterator[str]]:
    """The form of lines, from the first of them that is not blank; and all of them, that one included."""
    read = []
    for line in lines:
        read.append(line)
        if line.strip():
            break
    form = JSONL if read and isinstance(_parsed(read[-1]), dict) else TEXT
    return form, chain(read, lines)


def read_as_task(source: str, task: TaskSpec) -> Iterator[Record]:
    """Stream the examples of a task's file, without what is to be predicted.

    Raises:
        DataError: the file cannot be read, or standard input is named, which a reader cannot have.
    """
    from domainlm.tasks.models import Record

    if source == STANDARD_STREAM:
        raise DataError("--read-as needs a file", remedy="name one with --input")
    problems = ProblemLog()
    for example in task.read_all(Path(source), problems):
        fields = asdict(example)
        if "mentions" in fields:
            fields["entities"] = fields.pop("mentions")
        for key in ("label", "relations", "answers", "accepted", "is_impossible"):
            fields.pop(key, None)
        yield Record(example.id, fields, f"{source}, example {example.id}")
    warn_of_problems(problems)


def _cells(line: str, columns: Sequence[str], num_needed: int, where: str) -> dict[str, object]:
    if len(columns) == 1:
        return {columns[0]: line}
    cells = line.split("\t")
    if not num_needed <= len(cells) <= len(columns):
        fields = ", ".join(f'"{name}": ...' for name in columns[: max(num_needed, 1)])
        raise DataError(
            "other number of columns",
            where=where,
            given=f"{len(cells)} columns",
            allowed="<TAB>".join(columns),
            remedy=f"or pass --format jsonl and JSON lines such as {{{fields}}}",
        )
    return dict(zip(columns, cells, strict=False))


def _file_lines(path: Path) -> Iterator[str]:
    from domainlm.text.files import open_text

    return iter(open_text(path))


def _stdin_lines() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, start=1):
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901 - as it is taken off a file
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
    except (ValueError, RecursionError):
        return None


def _from_json(line: str, number: int, where: str) -> Record:
    from domainlm.tasks.models import Record

    fields = _parsed(line)
    if not isinstance(fields, dict):
        raise DataError(
            "not a JSON object",
            where=where,
            given=line[:80],
            allowed='{"id": ..., "text": "..."}',
            remedy="or pass --format text",
        )
    identity = fields.get("id", number)
    if not isinstance(identity, (str, int)):
        raise DataError("an id must be text or a whole number", where=where, given=identity)
    return Record(identity, fields, where)

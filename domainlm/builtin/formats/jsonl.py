r"""Text as one JSON object a line.

    {"id": "log-17", "text": "The Vega left Oslo.\nShe carried timber.", "licence": "CC0"}

Each line is a document, each line of its "text" a paragraph. "id" is optional; other keys whose values are strings,
numbers or truth values become the document's `meta`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domainlm.api import DataError, Document, ProblemLog
from domainlm.builtin.formats.names import file_stem
from domainlm.builtin.formats.records import Record, id_of, read_records, text_of


def read_jsonl(path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream the documents of one file; one without an id is "FILE_STEM:line".

    Args:
        path: the file, plain or `.gz`.
        problems: told of lines that are left out: damaged, without a text, with an empty one.

    Raises:
        DataError: the file cannot be read, or holds no document.
    """
    stem = file_stem(path)
    num_documents = 0
    for line, record in read_records(path, problems):
        text = text_of(record, path, line, problems)
        if text is None:
            continue
        paragraphs = tuple(part for part in map(str.strip, text.splitlines()) if part)
        num_documents += 1
        yield Document(id_of(record, f"{stem}:{line}"), paragraphs, _meta(record))
    if not num_documents:
        raise DataError(
            "no record with a text",
            where=path,
            given=problems.summary() or None,
            allowed='{"text": "..."} in each line',
        )


def _meta(record: Record) -> dict[str, str]:
    return {
        key: str(value)
        for key, value in record.items()
        if key not in {"id", "text"} and isinstance(value, (str, int, float))
    }

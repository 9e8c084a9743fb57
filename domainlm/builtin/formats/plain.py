"""Plain text: a paragraph a line, a blank line between documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domainlm.api import DataError, Document, ProblemLog
from domainlm.builtin.formats.names import file_stem
from domainlm.text.files import open_text


def read_plain_text(path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream the documents of one file; their ids are "FILE_STEM:n", from 1.

    Args:
        path: the file, plain or `.gz`.
        problems: told of lines that are left out, where bad input is skipped.

    Raises:
        DataError: the file cannot be read, or holds white space only.
    """
    stem = file_stem(path)
    number, paragraphs = 0, list[str]()
    for line in open_text(path, problems):
        paragraph = one_line(line)
        if paragraph:
            paragraphs.append(paragraph)
        elif paragraphs:
            number += 1
            yield Document(f"{stem}:{number}", tuple(paragraphs))
            paragraphs = []
    if paragraphs:
        number += 1
        yield Document(f"{stem}:{number}", tuple(paragraphs))
    if not number:
        raise DataError("no text but white space", where=path, remedy="give a file with a paragraph in each line")


def one_line(paragraph: str) -> str:
    """The paragraph without white space at its ends; line breaks of other systems inside it become blanks."""
    return " ".join(part for part in map(str.strip, paragraph.splitlines()) if part)

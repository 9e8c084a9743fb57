"""The documents of a corpus's files, as a spec's reader gives them: checked, since any code may be behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from domainlm.api import Document, ProblemLog
from domainlm.api.failures import read_by, refused

Read = Callable[[Path, ProblemLog], Iterator[Document]]

_MAX_SHOWN = 200


def read_documents(read: Read, spec: str, path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream the documents of one file.

    Args:
        read: the reader.
        spec: whose it is, for errors.
        path: the file.
        problems: takes what the reader leaves out.

    Raises:
        UserError: the reader fails, as `read_by` says it, or gives what is no document.
    """
    for document in read_by(read, spec, path, problems):
        check_document(document, read, spec, path)
        yield document


def check_document(document: object, read: Read, spec: str, path: Path) -> None:
    """Refuse what is no document; the arguments are those of `read_documents`."""
    if not _is_sound(document):
        raise refused(
            read,
            spec,
            "the reader gave a document that is not sound",
            given=repr(document)[:_MAX_SHOWN],
            allowed="Document(id, paragraphs): a text, and a tuple of texts",
            at=f"{path}, document {getattr(document, 'id', '?')!r}",
        )


def _is_sound(document: object) -> bool:
    """Whether its fields are of their types: a text in place of paragraphs would be read by letters."""
    if not isinstance(document, Document) or not isinstance(document.id, str):
        return False
    paragraphs: object = document.paragraphs
    return isinstance(paragraphs, tuple | list) and all(isinstance(paragraph, str) for paragraph in paragraphs)

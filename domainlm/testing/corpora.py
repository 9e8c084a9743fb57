"""Checks of corpus specs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

from domainlm.api import CorpusSpec, Document, ProblemLog
from domainlm.testing.failure import CheckError
from domainlm.testing.samples import check_refusals, check_skips, read_twice, write_sample


@dataclass(frozen=True, slots=True)
class CorpusCounts:
    """What a check has read.

    Attributes:
        num_documents: documents of all files.
        num_paragraphs: their paragraphs.
        problems: what the reader skipped or mended, by kind.
    """

    num_documents: int
    num_paragraphs: int
    problems: dict[str, int]


def check_corpus(spec: CorpusSpec, path: Path | None = None) -> CorpusCounts:
    """Check a corpus on its own sample, or on a file.

    The sample is the same for the same seed; documents are the same each time they are read, have unique ids and no
    empty paragraph; a missing and an empty file are refused; where bad input is skipped, a line of the sample in
    another encoding does not cost the rest of the file. Where the spec says `replaces`, an id may come again, and a
    document without paragraphs is a removal.

    Args:
        spec: the corpus.
        path: a file to read; the spec's sample where None.

    Raises:
        CheckError: the first rule that is broken.
    """
    where = f"corpus {spec.reference}"
    with TemporaryDirectory(prefix="domainlm-check-") as name:
        folder = Path(name)
        if path is None:
            files = write_sample(spec, folder, where)["text"]
            _check_patterns(spec, files, where)
        else:
            files = (path,)
        problems = ProblemLog()
        documents = [document for file in files for document in read_twice(spec.read, file, problems, where)]
        check_refusals(spec.read, folder, "".join(files[0].suffixes), where)
        if path is None:
            check_skips(spec.read, files[0], folder, where)
    for document in documents:
        check_document(document, where, may_remove=spec.replaces)
    if not spec.replaces:
        _check_unique((document.id for document in documents), where)
    return CorpusCounts(len(documents), sum(len(document.paragraphs) for document in documents), dict(problems.counts))


def _check_patterns(spec: CorpusSpec, files: Iterable[Path], where: str) -> None:
    for file in files:
        if not any(fnmatch(file.name, pattern) for pattern in spec.patterns):
            raise CheckError(
                "the sample's file would not be found in a folder", where=where, given=file.name, allowed=spec.patterns
            )


def check_document(document: object, where: str, *, may_remove: bool = False) -> None:
    """Check one document.

    Args:
        document: what a reader gives.
        where: the spec, for errors.
        may_remove: it may have no paragraphs, which removes an earlier one (`CorpusSpec.replaces`).

    Raises:
        CheckError: the first rule that is broken.
    """
    if not isinstance(document, Document):
        raise CheckError("the reader must give Documents", where=where, given=repr(document)[:200])
    place = f"{where}, document {document.id!r}"
    if not isinstance(document.id, str) or not document.id:
        raise CheckError("a document needs an id", where=place)
    if not isinstance(document.paragraphs, tuple) or not (document.paragraphs or may_remove):
        raise CheckError("a document needs paragraphs, as a tuple", where=place, given=repr(document.paragraphs)[:200])
    for paragraph in document.paragraphs:
        if not isinstance(paragraph, str) or not paragraph.strip() or len(paragraph.splitlines()) > 1:
            raise CheckError("a paragraph is empty or holds a line break", where=place, given=repr(paragraph)[:200])
    for key, value in document.meta.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise CheckError("meta must map text to text", where=place, given=f"{key!r}: {value!r}")


def _check_unique(ids: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for entry in ids:
        if entry in seen:
            remedy = "make ids unique over all files, or set replaces=True where the later one is to replace the other"
            raise CheckError("two documents have one id", where=where, given=entry, remedy=remedy)
        seen.add(entry)

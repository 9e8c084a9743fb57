"""PubMed and PMC together, each file read as what it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domainlm.api import DataError, Document, ProblemLog
from domainlm_biomegatron.readers.bytes import DamagedFileError, read_pieces
from domainlm_biomegatron.readers.jats import read_commercial
from domainlm_biomegatron.readers.pubmed import read_pubmed

_PUBMED_ROOTS = (b"<PubmedArticleSet", b"<PubmedBookArticleSet")


def read_pubmed_and_pmc(path: Path, problems: ProblemLog) -> Iterator[Document]:
    """Stream a file as `read_pubmed` does where its root element is PubMed's, and as `read_commercial` else.

    Raises:
        DataError: as these two.
    """
    read = read_pubmed if _is_pubmed(path) else read_commercial
    return read(path, problems)


def _is_pubmed(path: Path) -> bool:
    """Whether PubMed's root element stands in the first piece of the file; damage is the reader's to report."""
    pieces = read_pieces(path)
    try:
        first = next(pieces, b"")
    except (DataError, DamagedFileError):
        return False
    finally:
        pieces.close()  # type: ignore[attr-defined]  # a generator, which holds the file open
    return any(root in first for root in _PUBMED_ROOTS)

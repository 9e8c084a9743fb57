"""Documents to sentences on disk: train.txt and held_out.txt, one sentence a line, a blank line after each document."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from domainlm.api import Document
from domainlm.errors import DataError
from domainlm.text.files import open_text
from domainlm.text.sentences import split_sentences
from domainlm.text.writing import whole_file

TRAIN_FILE = "train.txt"
HELD_OUT_FILE = "held_out.txt"

_UNWANTED = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\ud800-\udfff]+")
"""Control characters, byte-order marks and lone surrogates: no text, and the last cannot be written as UTF-8."""


@dataclass(slots=True)
class SideCounts:
    """What is in one of the two files.

    Attributes:
        num_documents: documents with at least one sentence.
        num_sentences: lines that are not blank.
        num_words: runs between white space.
        num_bytes: size of the file.
    """

    num_documents: int = 0
    num_sentences: int = 0
    num_words: int = 0
    num_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CorpusCounts:
    """What `build_corpus` wrote.

    Attributes:
        train: the text to learn from.
        held_out: the text to score on.
        num_empty_documents: documents without a sentence, which were left out.
    """

    train: SideCounts
    held_out: SideCounts
    num_empty_documents: int

    def as_dict(self) -> dict[str, object]:
        """For a manifest."""
        return asdict(self)


def build_corpus(
    documents: Iterable[Document], folder: Path, *, held_out_share: float, max_documents: int | None = None
) -> CorpusCounts:
    """Split documents into sentences and write them to `folder`, some documents into the held-out file.

    Which documents are held out depends on their ids alone (see `is_held_out`), so the choice does not move when the
    corpus grows or changes its order. Both files appear whole or not at all. Memory does not grow with the corpus.

    Args:
        documents: read once, in order.
        folder: must exist.
        held_out_share: share of the documents to hold out, above 0 and below 1.
        max_documents: take no more than the first so many.

    Raises:
        DataError: where no document is left on one of the two sides.
    """
    train, held_out = SideCounts(), SideCounts()
    num_empty = 0
    with whole_file(folder / TRAIN_FILE) as train_stream, whole_file(folder / HELD_OUT_FILE) as held_out_stream:
        for document in islice(documents, max_documents):
            sentences = [sentence for paragraph in document.paragraphs for sentence in _sentences(paragraph)]
            if not sentences:
                num_empty += 1
            elif is_held_out(document.id, held_out_share):
                _write(held_out_stream, sentences, held_out)
            else:
                _write(train_stream, sentences, train)
        _check_sides(train.num_documents, held_out.num_documents, num_empty, held_out_share)
    return CorpusCounts(train, held_out, num_empty)


def is_held_out(document_id: str, held_out_share: float) -> bool:
    """Whether a document is held out: its id's SHA-256, read as a fraction from 0 to 1, is below the share."""
    digest = hashlib.sha256(document_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") < held_out_share * 2.0**64


def normalise_sentence(sentence: str) -> str:
    """Compose characters (Unicode NFC), drop control characters, and make all white space single blanks."""
    if not sentence.isascii():
        sentence = unicodedata.normalize("NFC", sentence)
    return " ".join(_UNWANTED.sub("", sentence).split())


def read_sentences(path: Path) -> Iterator[str]:
    """Stream the sentences of a file that `build_corpus` wrote, without the blank lines between documents."""
    return (line for line in open_text(path) if line)


def _sentences(paragraph: str) -> Iterator[str]:
    for start, end in split_sentences(paragraph):
        sentence = normalise_sentence(paragraph[start:end])
        if sentence:
            yield sentence


def _write(stream: BinaryIO, sentences: list[str], counts: SideCounts) -> None:
    block = ("\n".join(sentences) + "\n\n").encode("utf-8")
    stream.write(block)
    counts.num_documents += 1
    counts.num_sentences += len(sentences)
    counts.num_words += sum(sentence.count(" ") + 1 for sentence in sentences)
    counts.num_bytes += len(block)


def _check_sides(num_train: int, num_held_out: int, num_empty: int, held_out_share: float) -> None:
    if num_train and num_held_out:
        return
    if not num_train and not num_held_out:
        raise DataError("the corpus has no text", given=f"{num_empty} documents, all without a sentence")
    side, other, change = ("pretraining", "held out", "lower") if not num_train else ("scoring", "pretraining", "raise")
    raise DataError(
        f"no document of the corpus is left for {side}",
        where="corpus.held_out_share",
        given=f"{held_out_share} of {num_train + num_held_out} documents; all are {other}",
        remedy=f"{change} corpus.held_out_share, or take more documents",
    )

"""A corpus on disk: train.txt and held_out.txt, one normalised sentence a line, a blank line after each document."""

from __future__ import annotations

import gzip
import hashlib
import html
import re
import unicodedata
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from domainlm.api import Document
from domainlm.errors import DataError
from domainlm.text.files import open_text
from domainlm.text.sentences import split_sentences
from domainlm.text.words import IDEOGRAPHS_IN_CLASS

HIGHEST_HELD_OUT_SHARE = 0.5
"""No more of the documents than this may be held out."""

_UNWANTED = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\ud800-\udfff]+")
"""Control characters, byte-order marks and lone surrogates: no text, and the last cannot be written as UTF-8."""

_IDEOGRAPH = re.compile(f"[{IDEOGRAPHS_IN_CLASS}]")
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})")


def is_held_out(document_id: str, held_out_share: float) -> bool:
    """Whether a document is held out: its id's SHA-256, read as a fraction from 0 to 1, is below the share."""
    digest = hashlib.sha256(document_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") < held_out_share * 2.0**64


def normalise_sentence(sentence: str) -> str:
    """Compose characters (Unicode NFC), drop control characters, and make all white space single blanks."""
    if not sentence.isascii():
        sentence = unicodedata.normalize("NFC", sentence)
    return " ".join(_UNWANTED.sub("", sentence).split())


class TextFacts(NamedTuple):
    """How a file's text is read, as far as its bytes can tell.

    Attributes:
        is_normal: normalising changes no character but white space.
        may_hold_ideographs: there is a CJK ideograph, or it cannot be told.
    """

    is_normal: bool
    may_hold_ideographs: bool


def text_facts(path: Path) -> TextFacts:
    """The facts of a file; characters that JSON or XML write as an escape are read as what they stand for."""
    text = _text_of(path)
    if text is None:
        return TextFacts(is_normal=False, may_hold_ideographs=True)
    is_normal = unicodedata.is_normalized("NFC", text) and not _UNWANTED.search(text)
    return TextFacts(is_normal, may_hold_ideographs=_IDEOGRAPH.search(text) is not None)


def _text_of(path: Path) -> str | None:
    """The text of a file, its escapes read; None where it is not plain or gzipped UTF-8."""
    content = path.read_bytes()
    try:
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return None
    text = html.unescape(_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text))
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # joins JSON's surrogate pairs


def document_sentences(document: Document) -> list[str]:
    """The normalised sentences of a document, in order; none is empty."""
    return [sentence for paragraph in document.paragraphs for sentence in _sentences(paragraph)]


def read_sentences(path: Path) -> Iterator[str]:
    """Stream the sentences of a file that `build_corpus` wrote, without the blank lines between documents."""
    return (line for line in open_text(path) if line)


def _sentences(paragraph: str) -> Iterator[str]:
    is_normal = _is_normal(paragraph)
    for start, end in split_sentences(paragraph):
        sentence = paragraph[start:end] if is_normal else normalise_sentence(paragraph[start:end])
        if sentence:
            yield sentence


def _is_normal(text: str) -> bool:
    """Whether normalising changes no part of the text between blanks; False where that is not known at a glance."""
    if not text.isprintable() or "  " in text:  # printable: no control characters, no white space but the blank
        return False
    return text.isascii() or unicodedata.is_normalized("NFC", text)


def check_sides(
    num_train: int,
    num_held_out: int,
    num_left_out: int,
    held_out_share: float,
    needed: Collection[str] = ("train", "held_out"),
) -> None:
    """Raise `DataError` unless there are documents to learn from and documents to score on, where they are needed."""
    if not num_train and not num_held_out:
        raise DataError("the corpus has no text", given=f"{num_left_out} documents, all left out")
    if (num_train or "train" not in needed) and (num_held_out or "held_out" not in needed):
        return
    side, other, change = ("pretraining", "held out", "lower") if not num_train else ("scoring", "pretraining", "raise")
    is_highest, more = num_train > 0 and held_out_share >= HIGHEST_HELD_OUT_SHARE, "take more documents"
    raise DataError(
        f"no document of the corpus is left for {side}",
        where="corpus.held_out_share",
        given=f"{held_out_share} of {num_train + num_held_out} documents; all are {other}",
        remedy=more if is_highest else f"{change} corpus.held_out_share, or {more}",
    )

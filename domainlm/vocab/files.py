"""Vocabulary files: a tokenizer.json, or a BERT vocab.txt with one entry a line."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from domainlm.errors import VocabularyError
from domainlm.files import whole_file
from domainlm.vocab.bert import SPECIAL_TOKENS
from domainlm.vocab.wordpiece import CONTINUATION_PREFIX, build_tokenizer

TOKENIZER_FILE = "tokenizer.json"
VOCABULARY_FILE = "vocab.txt"

_BRACKETED = re.compile(r"\[.+\]")
_MAX_CAPITAL_SHARE_UNCASED = 0.02
"""Capitals stray into uncased vocabularies (0.5 % of the entries of one in wide use); cased ones have 20 to 30 %."""
_WORD_MARKS = ("\u2581", "\u0120")
_MIN_SHARE_MARKED = 0.1

_logger = logging.getLogger(__name__)


def find_vocabulary(path: Path) -> Path:
    """The file of a vocabulary: `path` itself, or the tokenizer.json or vocab.txt in the folder `path`."""
    if not path.exists():
        raise VocabularyError("no such file or folder", where=path)
    if not path.is_dir():
        return path
    for name in (TOKENIZER_FILE, VOCABULARY_FILE):
        if (path / name).is_file():
            return path / name
    raise VocabularyError("no vocabulary in the folder", where=path, allowed=(TOKENIZER_FILE, VOCABULARY_FILE))


def read_tokenizer(file: Path, *, cased: bool | None) -> Tokenizer:
    """The tokeniser of a tokenizer.json (any name that ends in .json) or of a vocab.txt (any other name).

    Args:
        file: the file.
        cased: whether a vocab.txt is cased; judged from its entries where None, and said in the log.

    Raises:
        VocabularyError: where the file is in neither format.
    """
    text = _read(file)
    if file.suffix.lower() != ".json":
        return _from_entries(file, text, cased)
    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # the library raises bare Exception
        raise VocabularyError("not a tokenizer.json", where=file, given=str(error)) from error


def write_text(path: Path, text: str) -> None:
    """Write a file; it appears whole or not at all."""
    with whole_file(path) as stream:
        stream.write(text.encode("utf-8"))


def _read(file: Path) -> str:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise VocabularyError(f"not UTF-8 at byte {error.start:,} (counted from 0)", where=file) from error
    if not text.strip():
        raise VocabularyError("is empty", where=file)
    return text


def _from_entries(file: Path, text: str, cased: bool | None) -> Tokenizer:
    """Build the tokeniser of a vocab.txt."""
    entries = [line.removesuffix("\r") for line in text.rstrip("\r\n").split("\n")]
    _check_wordpiece(entries, file)
    line_of: dict[str, int] = {}
    for number, entry in enumerate(entries, 1):
        if entry in line_of:
            raise VocabularyError(f"{entry!r} is also on line {line_of[entry]}", where=f"{file}:{number}")
        line_of[entry] = number
    missing = [name for name in SPECIAL_TOKENS if name not in line_of]
    if missing:
        raise VocabularyError(
            f"the vocabulary lacks the special tokens {', '.join(missing)}",
            where=file,
            allowed="a BERT vocab.txt, one entry a line, or a tokenizer.json",
        )
    if cased is None:
        cased = _judge_cased(entries, file)
    return build_tokenizer(entries, cased=cased)


def _check_wordpiece(entries: Sequence[str], file: Path) -> None:
    """Refuse lists of entries of another kind, which would be read without a word and cut text into rubbish."""
    if any(entry.startswith(CONTINUATION_PREFIX) for entry in entries):
        return
    marked = [entry for entry in entries if entry.startswith(_WORD_MARKS)]
    if len(marked) > _MIN_SHARE_MARKED * len(entries):
        raise VocabularyError(
            "these are entries of SentencePiece or of byte-level BPE, which need more than a list",
            where=file,
            given=f"{len(marked):,} of {len(entries):,} entries begin with a word mark, as {marked[0]!r}",
            remedy="give the tokenizer.json; it also holds the probabilities or merges that cut words",
        )


def _judge_cased(entries: Sequence[str], file: Path) -> bool:
    """Judge by the share of entries with capitals, those in square brackets left aside."""
    num_capital = sum(entry != entry.lower() and not _BRACKETED.fullmatch(entry) for entry in entries)
    cased = num_capital > _MAX_CAPITAL_SHARE_UNCASED * len(entries)
    kind = "cased" if cased else "uncased"
    _logger.info("%s: taken to be %s: %d of %d entries have capitals", file, kind, num_capital, len(entries))
    return cased

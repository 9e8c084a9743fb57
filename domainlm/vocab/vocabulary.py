"""A subword vocabulary: loading, saving, encoding."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from domainlm.errors import VocabularyError
from domainlm.vocab.wordpiece import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK, build_tokenizer, serialise

TOKENIZER_FILE = "tokenizer.json"
VOCABULARY_FILE = "vocab.txt"

_BRACKETED = re.compile(r"\[.+\]")
_MAX_CAPITAL_SHARE_UNCASED = 0.02
"""Capitals stray into uncased vocabularies (0.5 % of SciBERT's entries); in cased ones they are in 20 to 30 %."""

_logger = logging.getLogger(__name__)


class Vocabulary:
    """A WordPiece vocabulary with BERT's special tokens, whose ids are looked up by name.

    Text is never read as a special token: "[MASK]" in a text is three words.

    Attributes:
        size: number of entries.
        cased: whether capitals and accents are kept.
        pad_id: id of [PAD].
        unk_id: id of [UNK].
        cls_id: id of [CLS].
        sep_id: id of [SEP].
        mask_id: id of [MASK].
        special_ids: ids of these five and of any other special tokens, ascending.
        is_continuation: by id, whether the entry goes on with a word that began before it.
    """

    def __init__(self, tokenizer: Tokenizer, *, where: str | Path) -> None:
        self._where = where
        tokenizer.no_truncation()
        tokenizer.no_padding()
        description = json.loads(tokenizer.to_str())
        self._entries = _entries_by_id(tokenizer, where)
        self._text = serialise(tokenizer)
        # Not part of the file. Keeps "[SEP]" in a text from becoming a separator.
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self.size = len(self._entries)
        self.cased = _is_cased(description)
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (
            self._special_id(name) for name in (PAD, UNK, CLS, SEP, MASK)
        )
        added = {token["id"] for token in description["added_tokens"] if token["special"]}
        own = {self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id}
        self.special_ids: tuple[int, ...] = tuple(sorted(own | added))
        prefix = _continuation_prefix(description, where)
        self.is_continuation: list[bool] = [
            entry.startswith(prefix) and len(entry) > len(prefix) for entry in self._entries
        ]

    @classmethod
    def load(cls, path: Path, *, cased: bool | None = None) -> Vocabulary:
        """Read a vocabulary.

        Args:
            path: a tokenizer.json (any name that ends in .json), a BERT vocab.txt (any other name; one entry a line),
                or a folder with one of them.
            cased: whether a vocab.txt, which does not say it, is cased; judged from its entries where None (and said
                in the log). A tokenizer.json says it itself and must not say otherwise.

        Raises:
            VocabularyError: where there is no such file, it is in neither format, is not WordPiece or lacks one of
                BERT's special tokens.
        """
        file = _find(path)
        text = _read(file)
        if file.suffix.lower() != ".json":
            return cls(_from_entries(file, text, cased), where=file)
        try:
            tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the library raises bare Exception
            raise VocabularyError("not a tokenizer.json", where=file, given=str(error)) from error
        vocabulary = cls(tokenizer, where=file)
        if cased is not None and cased != vocabulary.cased:
            raise VocabularyError(
                f"the vocabulary is {_kind(vocabulary.cased)}, and {_kind(cased)} was asked for",
                where=file,
                remedy="leave out vocabulary.cased: a tokenizer.json says itself what it is",
            )
        return vocabulary

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and vocab.txt to an existing folder: the same bytes for the same vocabulary."""
        _write(folder / TOKENIZER_FILE, self._text)
        _write(folder / VOCABULARY_FILE, "".join(f"{entry}\n" for entry in self._entries))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tokenizer.json that `save` writes, in hexadecimal."""
        return hashlib.sha256(self._text.encode("utf-8")).hexdigest()

    @property
    def description(self) -> dict[str, Any]:
        """The content of the tokenizer.json that `save` writes."""
        content: dict[str, Any] = json.loads(self._text)
        return content

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Ids of each text, without special tokens before, between or after."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def encode_words(self, words: Sequence[str]) -> list[list[int]]:
        """Ids of each word, read by itself. A word that gives none (control characters alone) is [UNK]."""
        unique = list(dict.fromkeys(words))
        ids = dict(zip(unique, self.encode_batch(unique), strict=True))
        return [list(ids[word]) or [self.unk_id] for word in words]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The entries with these ids."""
        return [self._entries[number] for number in ids]

    def _special_id(self, name: str) -> int:
        number = self._tokenizer.token_to_id(name)
        if number is None:
            raise VocabularyError(
                f"the vocabulary lacks the special token {name}",
                where=self._where,
                allowed=f"a BERT vocabulary with {', '.join(SPECIAL_TOKENS)}",
            )
        return int(number)


def _kind(cased: bool) -> str:
    return "cased" if cased else "uncased"


def _find(path: Path) -> Path:
    if not path.exists():
        raise VocabularyError("no such file or folder", where=path)
    if not path.is_dir():
        return path
    for name in (TOKENIZER_FILE, VOCABULARY_FILE):
        if (path / name).is_file():
            return path / name
    raise VocabularyError("no vocabulary in the folder", where=path, allowed=(TOKENIZER_FILE, VOCABULARY_FILE))


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


def _judge_cased(entries: Sequence[str], file: Path) -> bool:
    """Judge by the share of entries with capitals, those in square brackets left aside."""
    num_capital = sum(entry != entry.lower() and not _BRACKETED.fullmatch(entry) for entry in entries)
    cased = num_capital > _MAX_CAPITAL_SHARE_UNCASED * len(entries)
    _logger.info("%s: taken to be %s: %d of %d entries have capitals", file, _kind(cased), num_capital, len(entries))
    return cased


def _entries_by_id(tokenizer: Tokenizer, where: str | Path) -> list[str]:
    by_id = {number: entry for entry, number in tokenizer.get_vocab(with_added_tokens=True).items()}
    if sorted(by_id) != list(range(len(by_id))):
        raise VocabularyError(
            "the ids of the vocabulary have gaps",
            where=where,
            given=f"{len(by_id)} entries, highest id {max(by_id, default=-1)}",
        )
    return [by_id[number] for number in range(len(by_id))]


def _continuation_prefix(description: dict[str, Any], where: str | Path) -> str:
    model = description["model"]
    if model["type"] != "WordPiece":
        raise VocabularyError("not a WordPiece vocabulary", where=where, given=model["type"], allowed="WordPiece")
    return str(model["continuing_subword_prefix"])


def _is_cased(description: dict[str, Any]) -> bool:
    """Whether no step of the tokeniser's normaliser lower-cases."""
    normalizer = description["normalizer"] or {}
    steps = normalizer.get("normalizers", [normalizer])
    return not any(step.get("type") == "Lowercase" or step.get("lowercase", False) for step in steps)


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as stream:
            stream.write(text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise

"""How the entries of a vocabulary tell where words begin, and what text they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tokenizers import Tokenizer

from domainlm.errors import VocabularyError

Kind = Literal["wordpiece", "bpe", "unigram"]
_KINDS: Mapping[str, Kind] = {"WordPiece": "wordpiece", "BPE": "bpe", "Unigram": "unigram"}

_BLANK, _BYTE_BLANK = "\u2581", "\u0120"
_PROBE = "x y"
CONTINUATION = "##"
"""Stands before an entry that goes on with a word, where entries are shown, whatever the vocabulary's own marks."""


class Piece(NamedTuple):
    r"""An entry without its marks, so that entries of different vocabularies can be compared.

    Attributes:
        text: what it stands for; bytes that are no whole character as `\xe2`.
        goes_on: whether it goes on with a word.
    """

    text: str
    goes_on: bool

    def __str__(self) -> str:
        """As BERT writes it: `##` before what goes on with a word."""
        return f"{CONTINUATION}{self.text}" if self.goes_on else self.text


@dataclass(frozen=True, slots=True)
class Marks:
    """What entries are marked with.

    Attributes:
        kind: of the model that cuts words.
        continuation: stands before entries that go on with a word; empty where beginnings are marked.
        beginning: stands before entries that begin a word; empty where continuations are marked.
        is_bytes: whether entries are written as bytes, each by a character of its own (GPT-2).
    """

    kind: Kind
    continuation: str = ""
    beginning: str = ""
    is_bytes: bool = False

    @classmethod
    def of(cls, tokenizer: Tokenizer, description: Mapping[str, Any], where: str | Path) -> Marks:
        """Find the marks of a tokeniser; `description` is the content of its tokenizer.json.

        Raises:
            VocabularyError: where its model is another, or its entries do not tell where words begin.
        """
        model = description["model"]
        kind = _KINDS.get(model["type"])
        if kind is None:
            raise VocabularyError(
                "not a subword vocabulary that this program knows", where=where, given=model["type"], allowed=(*_KINDS,)
            )
        if model.get("continuing_subword_prefix"):
            return cls(kind, continuation=str(model["continuing_subword_prefix"]))
        beginning = _beginning(tokenizer)
        if kind == "wordpiece" or beginning is None:
            raise VocabularyError(
                "the entries do not tell where words begin",
                where=where,
                given=model["type"],
                allowed='a continuation prefix as BERT\'s "##", or a mark before every word, the first one included: '
                'Metaspace with prepend_scheme "always", ByteLevel with add_prefix_space',
            )
        return cls(kind, beginning=beginning, is_bytes=beginning == _BYTE_BLANK)

    def goes_on(self, entry: str) -> bool:
        """Whether an entry goes on with a word that began before it."""
        if self.continuation:
            return entry.startswith(self.continuation) and len(entry) > len(self.continuation)
        return not entry.startswith(self.beginning)

    def piece(self, entry: str) -> Piece:
        """The entry without its marks."""
        goes_on = self.goes_on(entry)
        text = entry.removeprefix(self.continuation if goes_on else self.beginning)
        if not self.is_bytes:
            return Piece(text, goes_on)
        byte_of = _byte_of_character()
        if any(character not in byte_of for character in text):  # an added entry, which is written as it is
            return Piece(text, goes_on)
        return Piece(bytes(byte_of[character] for character in text).decode("utf-8", "backslashreplace"), goes_on)


def _beginning(tokenizer: Tokenizer) -> str | None:
    """The mark that is put before every word, found by trying."""
    text = _PROBE if tokenizer.normalizer is None else tokenizer.normalizer.normalize_str(_PROBE)
    if tokenizer.pre_tokenizer is not None:
        text = "".join(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text))
    return next((mark for mark in (_BLANK, _BYTE_BLANK) if text == f"{mark}x{mark}y"), None)


@cache
def _byte_of_character() -> dict[str, int]:
    """The byte that each character stands for (Radford et al. 2019): printable ones stand for themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [code for code in range(256) if code not in printable]
    return {chr(code): code for code in printable} | {chr(256 + place): code for place, code in enumerate(others)}

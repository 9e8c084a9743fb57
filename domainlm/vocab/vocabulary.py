"""A subword vocabulary: loading, saving, encoding."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from domainlm.errors import VocabularyError
from domainlm.vocab.bert import SPECIAL_TOKENS, bert_normalizer, serialise
from domainlm.vocab.files import TOKENIZER_FILE, VOCABULARY_FILE, find_vocabulary, read_tokenizer, write_text
from domainlm.vocab.marks import Kind, Marks, Piece
from domainlm.vocab.wordpiece import CONTINUATION_PREFIX

_OTHER_NAMES = {
    "[PAD]": ("<pad>",),
    "[UNK]": ("<unk>",),
    "[CLS]": ("<cls>", "<s>"),
    "[SEP]": ("<sep>", "</s>"),
    "[MASK]": ("<mask>",),
}
"""What SentencePiece vocabularies call BERT's special tokens."""
_PROBE = "\u00e9 \u4e00"
"""An accent and an ideograph, each of which BERT's normaliser changes or keeps by its settings."""


class Vocabulary:
    """A WordPiece, BPE or Unigram vocabulary with BERT's special tokens, whose ids are looked up by name.

    Text is never read as a special token: "[MASK]" in a text is three words.

    Attributes:
        size: number of entries.
        kind: "wordpiece", "bpe" or "unigram".
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
        self.cased = _is_cased(tokenizer)
        self._marks = Marks.of(tokenizer, description, where)
        self.kind: Kind = self._marks.kind
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (
            self._special_id(name) for name in SPECIAL_TOKENS
        )
        added = {token["id"] for token in description["added_tokens"] if token["special"]}
        own = {self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id}
        self.special_ids: tuple[int, ...] = tuple(sorted(own | added))
        self.is_continuation: list[bool] = [self._marks.goes_on(entry) for entry in self._entries]
        for number in self.special_ids:
            self.is_continuation[number] = False
        self._misread = self._special_ids_read_from_text()

    @classmethod
    def load(cls, path: Path, *, cased: bool | None = None) -> Vocabulary:
        """Read a vocabulary.

        Args:
            path: a tokenizer.json (any name that ends in .json), a BERT vocab.txt (any other name; one entry a line),
                or a folder with one of them.
            cased: whether a vocab.txt, which does not say it, is cased; judged from its entries where None (and said
                in the log). A tokenizer.json says it itself and must not say otherwise.

        Raises:
            VocabularyError: where there is no such file, it is in neither format, its entries do not tell where words
                begin, or it lacks one of BERT's special tokens.
        """
        file = find_vocabulary(path)
        vocabulary = cls(read_tokenizer(file, cased=cased), where=file)
        if cased is not None and cased != vocabulary.cased:
            raise VocabularyError(
                f"the vocabulary is {_case(vocabulary.cased)}, and {_case(cased)} was asked for",
                where=file,
                remedy="leave out vocabulary.cased: a tokenizer.json says itself what it is",
            )
        return vocabulary

    def save(self, folder: Path) -> None:
        """Write the vocabulary to an existing folder: the same bytes for the same vocabulary.

        It is written as tokenizer.json and, where such a file can hold it, as vocab.txt.
        """
        self.save_tokenizer(folder / TOKENIZER_FILE)
        if self._hindrance() is None:
            self.save_entries(folder / VOCABULARY_FILE)

    def save_tokenizer(self, path: Path) -> None:
        """Write a tokenizer.json."""
        write_text(path, self._text)

    def save_entries(self, path: Path) -> None:
        """Write a BERT vocab.txt.

        Raises:
            VocabularyError: where such a file cannot hold the vocabulary.
        """
        hindrance = self._hindrance()
        if hindrance is not None:
            raise VocabularyError(
                f"a vocab.txt cannot hold this vocabulary: {hindrance}",
                where=self._where,
                allowed='WordPiece with "##" before what goes on with a word, BERT\'s normaliser and special tokens',
                remedy=f"use {TOKENIZER_FILE}",
            )
        write_text(path, "".join(f"{entry}\n" for entry in self._entries))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tokenizer.json that `save` writes, in hexadecimal."""
        return hashlib.sha256(self._text.encode("utf-8")).hexdigest()

    @property
    def description(self) -> dict[str, Any]:
        """The content of the tokenizer.json that `save` writes."""
        content: dict[str, Any] = json.loads(self._text)
        return content

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """By id, the entry without its marks; special tokens as they are."""
        special = set(self.special_ids)
        return tuple(
            Piece(entry, goes_on=False) if number in special else self._marks.piece(entry)
            for number, entry in enumerate(self._entries)
        )

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        """Ids of each text, without special tokens before, between or after."""
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [self._without_misread(encoding.ids) for encoding in encodings]

    def encode_with_places(self, texts: list[str]) -> list[tuple[list[int], list[int]]]:
        """Ids of each text as `encode_batch` gives them, and the place of each one's first character, ascending."""
        return [(ids, [start for start, _ in spans]) for ids, spans in self.encode_with_spans(texts)]

    def encode_with_spans(self, texts: list[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Ids of each text as `encode_batch` gives them, and the characters that each stands for, as (start, end)."""
        encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return [(self._without_misread(encoding.ids), encoding.offsets) for encoding in encodings]

    def encode_words(self, words: Sequence[str]) -> list[list[int]]:
        """Ids of each word, read by itself. A word that gives none (control characters alone) is [UNK]."""
        unique = list(dict.fromkeys(words))
        ids = dict(zip(unique, self.encode_batch(unique), strict=True))
        return [list(ids[word]) or [self.unk_id] for word in words]

    def normalised(self, part: str) -> str:
        """A part of a word as it is looked up: of an uncased vocabulary in small letters, without accents."""
        normalizer = self._tokenizer.normalizer
        text = part if normalizer is None else normalizer.normalize_str(part)
        return "".join(text.split()).removeprefix(self._marks.beginning)

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The entries with these ids."""
        return [self._entries[number] for number in ids]

    def _special_id(self, name: str) -> int:
        for known in (name, *_OTHER_NAMES[name]):
            number = self._tokenizer.token_to_id(known)
            if number is not None:
                return int(number)
        raise VocabularyError(
            f"the vocabulary lacks the special token {name}",
            where=self._where,
            allowed=f"{', '.join(SPECIAL_TOKENS)}, or SentencePiece's names for them",
        )

    def _special_ids_read_from_text(self) -> frozenset[int]:
        """Special ids that text is read as: where words are cut at white space alone, "[MASK]" is an entry like any."""
        read = self._tokenizer.encode(" ".join(self.tokens(self.special_ids)), add_special_tokens=False).ids
        return frozenset(read) & frozenset(self.special_ids) - {self.unk_id}

    def _without_misread(self, ids: list[int]) -> list[int]:
        if not self._misread:
            return ids
        return [self.unk_id if number in self._misread else number for number in ids]

    def _hindrance(self) -> str | None:
        """Why no vocab.txt can hold the vocabulary; None where one can."""
        if self.kind != "wordpiece":
            return f"it is {self.kind.upper() if self.kind == 'bpe' else self.kind.title()}, not WordPiece"
        if self._marks.continuation != CONTINUATION_PREFIX:
            return f"its continuation prefix is {self._marks.continuation!r}"
        lacking = next((name for name in SPECIAL_TOKENS if name not in self._entries), None)
        if lacking is not None:
            return f"its special tokens have other names, and none is {lacking}"
        normalizer = self._tokenizer.normalizer
        as_bert = bert_normalizer(cased=self.cased)
        if normalizer is None or normalizer.normalize_str(_PROBE) != as_bert.normalize_str(_PROBE):
            return f"it does otherwise with accents or ideographs than a BERT that is {_case(self.cased)}"
        added = next((token["content"] for token in self.description["added_tokens"] if not token["special"]), None)
        if added is not None:
            return f"{added!r} was added to it, and is cut out of words by no list of entries"
        broken = next((entry for entry in self._entries if "\n" in entry or entry.endswith("\r")), None)
        return None if broken is None else f"the entry {broken!r} has a line break"


def _case(cased: bool) -> str:
    return "cased" if cased else "uncased"


def _entries_by_id(tokenizer: Tokenizer, where: str | Path) -> list[str]:
    by_id = {number: entry for entry, number in tokenizer.get_vocab(with_added_tokens=True).items()}
    if sorted(by_id) != list(range(len(by_id))):
        raise VocabularyError(
            "the ids of the vocabulary have gaps",
            where=where,
            given=f"{len(by_id)} entries, highest id {max(by_id, default=-1)}",
        )
    return [by_id[number] for number in range(len(by_id))]


def _is_cased(tokenizer: Tokenizer) -> bool:
    """Whether capitals outlive the normaliser."""
    return tokenizer.normalizer is None or "A" in tokenizer.normalizer.normalize_str("A")

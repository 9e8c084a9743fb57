"""What is put around the two mentions of an example, whatever the vocabulary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

_UNUSED = re.compile(r"\[unused\d+\]")
_NUM_MARKS = 4
_TEXTS = (("<<", ">>", "[[", "]]"), ("<", ">", "[", "]"), ("(", ")", "{", "}"), ("@", "#", "$", "%"))


class MarkVocabulary(Protocol):
    """What of a vocabulary is needed here."""

    size: int
    unk_id: int
    mask_id: int
    sep_id: int

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The entries with these ids."""

    def encode_words(self, words: Sequence[str]) -> list[list[int]]:
        """Sub-tokens of each word."""


class Marks(NamedTuple):
    """Sub-tokens that are put before and after the first and the second mention."""

    open_first: tuple[int, ...]
    close_first: tuple[int, ...]
    open_second: tuple[int, ...]
    close_second: tuple[int, ...]


def choose_marks(vocabulary: MarkVocabulary) -> Marks:
    """Marks that no text of the task is read as, as far as the vocabulary has such.

    Entries that BERT's vocabularies keep free ("[unused1]") where there are four: text is never read as these. Else
    the first of some pairs of signs, "<<", ">>", "[[", "]]" before others, which the vocabulary can tell apart. A
    vocabulary with none of them gets [MASK] around the first mention and [SEP] around the second.
    """
    entries = vocabulary.tokens(range(vocabulary.size))
    unused = [number for number, entry in enumerate(entries) if _UNUSED.fullmatch(entry)]
    if len(unused) >= _NUM_MARKS:
        return Marks(*((number,) for number in unused[:_NUM_MARKS]))
    for texts in _TEXTS:
        encoded = [tuple(ids) for ids in vocabulary.encode_words(texts)]
        if len(set(encoded)) == _NUM_MARKS and not any(vocabulary.unk_id in ids for ids in encoded):
            return Marks(*encoded)
    return Marks((vocabulary.mask_id,), (vocabulary.mask_id,), (vocabulary.sep_id,), (vocabulary.sep_id,))

"""Characters to sub-tokens and back."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from domainlm.tasks.batches import SpecialIds

Tokens = npt.NDArray[np.int32]

_TEXTS_AT_ONCE = 256


class TextEncoder(SpecialIds, Protocol):
    """What of a vocabulary is needed here."""

    def encode_with_spans(self, texts: list[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Ids of each text, and the characters that each stands for."""


class TokenSpan(NamedTuple):
    """The sub-tokens `first` to `last` of a text, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class EncodedText:
    """A text's sub-tokens with the characters they stand for.

    Attributes:
        tokens: ids [num_tokens].
        starts: first character of each, ascending; white space is none of it [num_tokens].
        ends: one after the last character of each, ascending. Marks that the vocabulary drops (accents that combine
            with the letter before them) belong to the sub-token before them [num_tokens].
    """

    tokens: Tokens
    starts: Tokens
    ends: Tokens

    def cover(self, start: int, end: int) -> TokenSpan | None:
        """The fewest sub-tokens that hold the characters `start` to `end`; None where no sub-token is of them."""
        first = int(np.searchsorted(self.ends, start, side="right"))
        last = int(np.searchsorted(self.starts, end, side="left")) - 1
        return TokenSpan(first, last) if first <= last else None

    def characters(self, span: TokenSpan) -> tuple[int, int]:
        """The characters of a run of sub-tokens: first, and one after the last."""
        return int(self.starts[span.first]), int(self.ends[span.last])


def encode_texts(texts: Iterable[str], encoder: TextEncoder) -> dict[str, EncodedText]:
    """Every distinct text with its sub-tokens."""
    distinct = list(dict.fromkeys(texts))
    encoded: dict[str, EncodedText] = {}
    for first in range(0, len(distinct), _TEXTS_AT_ONCE):
        group = distinct[first : first + _TEXTS_AT_ONCE]
        for text, (ids, spans) in zip(group, encoder.encode_with_spans(group), strict=True):
            encoded[text] = _encoded(text, ids, spans)
    return encoded


def _encoded(text: str, ids: Sequence[int], spans: Sequence[tuple[int, int]]) -> EncodedText:
    borders = [_visible(text, start, end) for start, end in spans]
    # They ascend but where a normaliser changes the order of combining marks.
    starts = np.maximum.accumulate(np.array([start for start, _ in borders], dtype=np.int32))
    ends = np.maximum.accumulate(np.array([end for _, end in borders], dtype=np.int32))
    return EncodedText(np.array(ids, dtype=np.int32), starts, ends)


def _visible(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at its ends, and with the marks that follow it."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end < len(text) and text[end] > "\x7f" and unicodedata.category(text[end]).startswith("M"):
        end += 1
    return start, end

"""From words to rows of sub-tokens, with the slots where a word's label is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from domainlm.api import TokenExample
from domainlm.tasks.batches import FlatRows, Ints, SpecialIds
from domainlm.tasks.token.labels import LabelSet
from domainlm.tasks.token.windows import Window, cut_windows

Labelling = Literal["first_sub_token", "every_sub_token"]

NUM_SPECIAL_TOKENS = 2
"""[CLS] before and [SEP] after the words of every row."""


class WordEncoder(SpecialIds, Protocol):
    """What of a vocabulary is needed here."""

    def encode_words(self, words: Sequence[str]) -> list[list[int]]:
        """Sub-tokens of each word, at least one."""


class WindowSettings(NamedTuple):
    """How long a row may be.

    Attributes:
        max_tokens: longest row in sub-tokens, special tokens included.
        num_overlap_words: words that neighbouring windows of one text share, at the most.
    """

    max_tokens: int
    num_overlap_words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Features(FlatRows):
    """All rows of a data set: one for each example, more for long ones, none for an example without words.

    Slots are ordered by example, and within it by word, so that those of first sub-tokens are the words of the data
    set in order, each once.

    Attributes:
        slots: places in its row whose label counts [num_slots].
        slot_starts: where each row begins in `slots`, and where the last one ends [num_rows + 1].
        labels: label id of each slot [num_slots]; zeros where there are no labels.
    """

    slots: npt.NDArray[np.int32]
    slot_starts: Ints
    labels: npt.NDArray[np.int32]


def encode_examples(examples: Sequence[TokenExample], encoder: WordEncoder) -> list[list[list[int]]]:
    """Sub-tokens of every word of every example; each distinct word is encoded once."""
    words = [[example.text[start:end] for start, end in example.words] for example in examples]
    distinct = list(dict.fromkeys(chain.from_iterable(words)))
    encoded = dict(zip(distinct, encoder.encode_words(distinct), strict=True))
    return [[encoded[word] for word in example] for example in words]


def build_features(
    sub_tokens: Sequence[Sequence[Sequence[int]]],
    encoder: WordEncoder,
    windows: WindowSettings,
    *,
    tags: Sequence[Sequence[str]] | None = None,
    label_set: LabelSet | None = None,
    labelling: Labelling = "first_sub_token",
) -> Features:
    """Cut examples into rows `[CLS] sub-tokens [SEP]` and find the slots whose labels count.

    Args:
        sub_tokens: of every word of every example; see `encode_examples`.
        encoder: for the special tokens.
        windows: how long a row may be.
        tags: of every word of every example, for training; None gives rows to be labelled.
        label_set: the labels, where there are tags.
        labelling: "first_sub_token" gives the word's label to its first sub-token, and the others count for nothing.
            "every_sub_token" counts all of them; those after the first of a B- word get I-. (Shin et al. 2020.)
    """
    rows = _Rows(
        encoder.cls_id, encoder.sep_id, windows.max_tokens - NUM_SPECIAL_TOKENS, labelling == "every_sub_token"
    )
    inside = label_set.inside if label_set else (0,)
    for number, words in enumerate(sub_tokens):
        labels = label_set.encode(tags[number]) if tags is not None and label_set else [0] * len(words)
        lengths = [len(word) for word in words]
        for window in cut_windows(lengths, rows.room, windows.num_overlap_words):
            rows.add(words, labels, inside, window)
    return rows.features(windows.max_tokens, encoder.pad_id)


class _Rows:
    """Collects rows as flat lists."""

    def __init__(self, cls_id: int, sep_id: int, room: int, every_sub_token: bool) -> None:
        self.room = room
        self._cls_id, self._sep_id, self._every_sub_token = cls_id, sep_id, every_sub_token
        self._tokens: list[int] = []
        self._slots: list[int] = []
        self._labels: list[int] = []
        self._row_starts = [0]
        self._slot_starts = [0]

    def add(self, words: Sequence[Sequence[int]], labels: Sequence[int], inside: Sequence[int], window: Window) -> None:
        row_start = len(self._tokens)
        self._tokens.append(self._cls_id)
        for place in range(window.start, window.end):
            word = words[place][: self.room]
            if window.own_start <= place < window.own_end:
                first = len(self._tokens) - row_start
                num_slots = len(word) if self._every_sub_token else 1
                self._slots.extend(range(first, first + num_slots))
                self._labels.append(labels[place])
                self._labels.extend([inside[labels[place]]] * (num_slots - 1))
            self._tokens.extend(word)
        self._tokens.append(self._sep_id)
        self._row_starts.append(len(self._tokens))
        self._slot_starts.append(len(self._slots))

    def features(self, max_tokens: int, pad_id: int) -> Features:
        return Features(
            tokens=np.array(self._tokens, dtype=np.int32),
            row_starts=np.array(self._row_starts, dtype=np.int64),
            slots=np.array(self._slots, dtype=np.int32),
            slot_starts=np.array(self._slot_starts, dtype=np.int64),
            labels=np.array(self._labels, dtype=np.int32),
            max_tokens=max_tokens,
            pad_id=pad_id,
        )


def word_slices(examples: Iterable[TokenExample]) -> list[slice]:
    """Where the words of each example lie among all words, and so among the slots of first sub-tokens."""
    starts = [0]
    for example in examples:
        starts.append(starts[-1] + len(example.words))
    return [slice(start, end) for start, end in pairwise(starts)]


def first_slots(sub_tokens: Sequence[Sequence[Sequence[int]]], room: int) -> Ints:
    """Of each word of a data set the first of its slots, where a word has as many as it has sub-tokens, at most `room`.

    With a room of 1 every word has one slot.
    """
    sizes = np.array([min(len(word), room) for words in sub_tokens for word in words], dtype=np.int64)
    starts: Ints = np.cumsum(sizes) - sizes
    return starts

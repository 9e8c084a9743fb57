"""Bits per character over masked whole words: a language-model score that vocabularies can be compared by.

docs/reference/bits-per-character.md says what is measured, what is conditioned on what, and what it cannot tell.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from domainlm.errors import DataError
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.device import Device
from domainlm.progress import Bar
from domainlm.text.word_windows import WordChoice, WordWindow, word_windows
from domainlm.train.nonfinite import check_score
from domainlm.vocab.vocabulary import Vocabulary

MAX_WORD_CHARACTERS = 100
"""Longer words are not scored, and stand in the text as [UNK] whatever the vocabulary."""

_RATE = 0.15
_SEED = 20_101_060
_CHARACTERS_PER_TOKEN = 3
"""A window has this many characters for each sub-token of a row, so that nearly every one fits into a row whole."""

_MAX_BYTES_SCORED = 8_000_000
"""Of a larger text, only the first of every so many windows is scored."""


@dataclass(frozen=True, slots=True, eq=False)
class WordRow:
    """A row for the model.

    Attributes:
        tokens: special tokens included, [MASK] in place of what is to predict.
        num_first: tokens of the first segment, with [CLS] and [SEP].
        masked: slots to predict, ascending.
        labels: what stood there.
    """

    tokens: list[int]
    num_first: int
    masked: list[int]
    labels: list[int]


@dataclass(slots=True)
class WordCounts:
    """What was to predict.

    Attributes:
        num_words: words chosen.
        num_characters: of these words.
        num_unknown_characters: of those of them that the vocabulary cannot write.
        alphabet: characters of the text.
        sub_tokens_per_word: how many of the words that it can write have each number of sub-tokens.
    """

    num_words: int = 0
    num_characters: int = 0
    num_unknown_characters: int = 0
    alphabet: set[str] = field(default_factory=set)
    sub_tokens_per_word: Counter[int] = field(default_factory=Counter)

    @property
    def bits_of_unknown(self) -> float:
        """Each character of a word that cannot be written costs as much as one of the alphabet drawn uniformly."""
        return self.num_unknown_characters * math.log2(max(len(self.alphabet), 2))

    @property
    def bits_of_sub_token_numbers(self) -> float:
        """What it would cost to tell the number of each word's sub-tokens: their entropy."""
        total = self.sub_tokens_per_word.total()
        return sum(count * math.log2(total / count) for count in self.sub_tokens_per_word.values())

    def scores(self, nats: float) -> dict[str, float]:
        """What `bits_per_character` returns, given the loss summed over all sub-tokens; there must be characters."""
        return {
            "bits_per_character": (nats / math.log(2) + self.bits_of_unknown) / self.num_characters,
            "sub_token_number_bits_per_character": self.bits_of_sub_token_numbers / self.num_characters,
            "unknown_character_share": self.num_unknown_characters / self.num_characters,
            "num_scored_words": float(self.num_words),
            "num_scored_characters": float(self.num_characters),
        }


class WordRows:
    """Lays windows out in rows of at most so many tokens, and counts what is to predict.

    Args:
        vocabulary: what writes the words, each by itself.
        max_tokens: longest row.
        pairs: lay out the halves of a window as two segments, as for a model that was trained on pairs.
    """

    def __init__(self, vocabulary: Vocabulary, *, max_tokens: int, pairs: bool) -> None:
        self._vocabulary = vocabulary
        self._capacity = max_tokens - (3 if pairs else 2)
        self._pairs = pairs
        self.counts = WordCounts()

    def rows(self, windows: Iterable[WordWindow]) -> Iterator[WordRow]:
        """The rows of some windows that have anything to predict."""
        windows = list(windows)
        words = list(dict.fromkeys(word for window in windows for word in window.words))
        written = dict(zip(words, self._vocabulary.encode_words(words), strict=True))
        for word, ids in written.items():
            if len(word) > MAX_WORD_CHARACTERS or len(ids) > self._capacity:
                written[word] = [self._vocabulary.unk_id]
        for window in windows:
            self.counts.alphabet.update(*window.words)
            pieces = [written[word] for word in window.words]
            is_masked = [self._count(*entry) for entry in zip(window.words, pieces, window.is_chosen, strict=True)]
            for first, end in self._parts(pieces):
                middle = window.middle if self._pairs and first < window.middle < end else end
                row = self._row(pieces[first:end], is_masked[first:end], middle - first)
                if row.masked:
                    yield row

    def _count(self, word: str, ids: list[int], is_chosen: bool) -> bool:
        """Count a word; tell whether the model is to predict it."""
        if not is_chosen:
            return False
        self.counts.num_words += 1
        self.counts.num_characters += len(word)
        if self._vocabulary.unk_id in ids:
            self.counts.num_unknown_characters += len(word)
            return False
        self.counts.sub_tokens_per_word[len(ids)] += 1
        return True

    def _parts(self, pieces: Sequence[list[int]]) -> Iterator[tuple[int, int]]:
        """The words of each row: all of them, unless they have too many sub-tokens."""
        first = size = 0
        for place, ids in enumerate(pieces):
            if size + len(ids) > self._capacity:
                yield first, place
                first, size = place, 0
            size += len(ids)
        yield first, len(pieces)

    def _row(self, pieces: list[list[int]], is_masked: list[bool], middle: int) -> WordRow:
        vocabulary = self._vocabulary
        tokens = [vocabulary.cls_id]
        masked: list[int] = []
        labels: list[int] = []
        num_first = 0
        for place, (ids, hidden) in enumerate(zip(pieces, is_masked, strict=True)):
            if place == middle:
                tokens.append(vocabulary.sep_id)
                num_first = len(tokens)
            if hidden:
                masked.extend(range(len(tokens), len(tokens) + len(ids)))
                labels.extend(ids)
            tokens.extend([vocabulary.mask_id] * len(ids) if hidden else ids)
        tokens.append(vocabulary.sep_id)
        return WordRow(tokens, num_first or len(tokens), masked, labels)


@torch.no_grad()
def bits_per_character(
    model: PretrainingModel,
    vocabulary: Vocabulary,
    text: Path,
    device: Device,
    *,
    max_tokens: int,
    pairs: bool,
    num_rows: int,
) -> dict[str, float]:
    """Score a language model on whole words of a text, dropout off.

    Args:
        model: on the device.
        vocabulary: the model's.
        text: a sentence a line, a blank line after each document.
        device: where to compute, and in which precision.
        max_tokens: longest row.
        pairs: the model was trained on pairs of segments.
        num_rows: windows at once; the score does not depend on it but for rounding.

    Returns:
        "bits_per_character"; "sub_token_number_bits_per_character", which is not part of it; "unknown_character_share";
        "num_scored_words" and "num_scored_characters".

    Raises:
        DataError: where the text has no word to score.
        ModelError: the loss is not finite.
    """
    model.eval()
    choice = WordChoice(_RATE, _CHARACTERS_PER_TOKEN * max_tokens, MAX_WORD_CHARACTERS, _SEED)
    windows = word_windows(text, choice, every=-(-text.stat().st_size // _MAX_BYTES_SCORED))
    layout = WordRows(vocabulary, max_tokens=max_tokens, pairs=pairs)
    nats = 0.0
    with Bar(desc="bits per character", unit=" windows", disable=None) as bar, device.predicting(model):
        while batch := list(islice(windows, num_rows)):
            rows = list(layout.rows(batch))
            for first in range(0, len(rows), num_rows):
                nats += _nats(model, rows[first : first + num_rows], vocabulary.pad_id, device)
            bar.update(len(batch))
    if not layout.counts.num_characters:
        raise DataError(
            "the held-out text has no word to score",
            where=text,
            remedy="raise corpus.held_out_share, or take more documents",
        )
    check_score(nats)
    return layout.counts.scores(nats)


def _nats(model: PretrainingModel, rows: Sequence[WordRow], pad_id: int, device: Device) -> float:
    """Loss summed over all that is masked in some rows, each sub-token for itself; within `Device.predicting`."""
    lengths = np.array([len(row.tokens) for row in rows])
    width = int(lengths.max())
    tokens = np.full((len(rows), width), pad_id)
    token_types = np.zeros_like(tokens)
    for number, row in enumerate(rows):
        tokens[number, : len(row.tokens)] = row.tokens
        token_types[number, row.num_first : len(row.tokens)] = 1
    masked = [number * width + slot for number, row in enumerate(rows) for slot in row.masked]
    labels = [label for row in rows for label in row.labels]

    def there(numbers: NDArray[np.int64] | list[int]) -> torch.Tensor:
        return torch.as_tensor(numbers, device=device.torch_device)

    states = model.encoder(there(tokens), there(token_types), there(lengths))
    words, _ = model.losses(states, there(masked), there(labels), None)
    return float(words.double())

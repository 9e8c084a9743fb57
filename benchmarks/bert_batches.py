"""The sequences that pretraining is compared on: the same sub-tokens and masks for every contender."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

VOCABULARY = 30_522
"""Entries of BERT's uncased vocabulary; the last id is taken as [MASK]."""
_MASK, _CLS, _SEP = VOCABULARY - 1, VOCABULARY - 2, VOCABULARY - 3
_RATE = 0.15
_SEED = 20_261_125


@dataclass(frozen=True, slots=True)
class MaskedSequence:
    """One sequence with its masks.

    Attributes:
        tokens: what the model reads.
        masked: slots to predict, ascending.
        labels: what stood there.
    """

    tokens: Ids
    masked: Ids
    labels: Ids


@dataclass(frozen=True, slots=True)
class Rows:
    """Sequences laid out as a batch.

    Attributes:
        tokens: [rows, slots].
        lengths: real tokens of each row [rows].
        masked: row * slots + slot of each token to predict.
        labels: what stood there.
        positions: place of each token in its sequence [rows, slots]; None where each row is one sequence.
        samples: number of its sequence within the row [rows, slots]; None as above.
        firsts: row * slots + slot of each sequence's first token; None as above.
    """

    tokens: Ids
    lengths: Ids
    masked: Ids
    labels: Ids
    positions: Ids | None = None
    samples: Ids | None = None
    firsts: Ids | None = None

    @property
    def num_tokens(self) -> int:
        """Real tokens."""
        return int(self.lengths.sum())


def random_steps(num_steps: int, num_rows: int, max_tokens: int) -> Iterator[list[MaskedSequence]]:
    """Steps of full rows of random sub-tokens."""
    generator = np.random.default_rng(_SEED)
    for _ in range(num_steps):
        ids = generator.integers(1000, _SEP, (num_rows, max_tokens))
        yield [_masked(row, generator) for row in ids]


def text_steps(
    text: Path, vocabulary: Path, num_steps: int, num_rows: int, max_tokens: int
) -> Iterator[list[MaskedSequence]]:
    """Steps of lines of a text (.txt.gz), each a sequence, cut off at `max_tokens`: as run_mlm.py --line_by_line."""
    from domainlm.vocab.vocabulary import Vocabulary

    entries = Vocabulary.load(vocabulary)
    generator = np.random.default_rng(_SEED)
    with gzip.open(text, "rt", encoding="utf-8") as stream:
        lines = (line.strip() for line in stream)
        full = (line for line in lines if line)
        for _ in range(num_steps):
            encoded = entries.encode_batch(list(islice(full, num_rows)))
            yield [_masked(_framed(ids, max_tokens), generator) for ids in encoded]


def _framed(ids: Sequence[int], max_tokens: int) -> Ids:
    inner = [entry % _SEP for entry in ids[: max_tokens - 2]]
    return np.array([_CLS, *inner, _SEP], np.int64)


def _masked(ids: Ids, generator: np.random.Generator) -> MaskedSequence:
    """Mask 15 %: 80 % as [MASK], 10 % as something else, 10 % as they are (Devlin et al. 2019)."""
    size = max(1, round(_RATE * len(ids)))
    masked = np.sort(generator.choice(len(ids), size, replace=False))
    tokens = ids.copy()
    draws = generator.random(size)
    tokens[masked[draws < 0.8]] = _MASK
    swapped = masked[(draws >= 0.8) & (draws < 0.9)]
    tokens[swapped] = generator.integers(1000, _SEP, len(swapped))
    return MaskedSequence(tokens, masked, ids[masked])


def padded(sequences: Sequence[MaskedSequence]) -> Rows:
    """A row each, padded to the longest."""
    return _lay_out([[sequence] for sequence in sequences], max(len(each.tokens) for each in sequences), packed=False)


def packed(sequences: Sequence[MaskedSequence], max_tokens: int, row_multiple: int | None = None) -> Rows:
    """As many in a row as fit, longest first.

    Args:
        sequences: the sequences.
        max_tokens: slots that a row may have.
        row_multiple: rows without a sequence are added up to a multiple, and all slots are there, so that batches have
            few shapes; None for as few rows and slots as it takes.
    """
    rows: list[list[MaskedSequence]] = []
    room: list[int] = []
    for sequence in sorted(sequences, key=lambda each: -len(each.tokens)):
        size = len(sequence.tokens)
        place = next((index for index, left in enumerate(room) if left >= size), len(rows))
        if place == len(rows):
            rows.append([])
            room.append(max_tokens)
        rows[place].append(sequence)
        room[place] -= size
    if row_multiple is None:
        return _lay_out(rows, max_tokens - min(room), packed=True)
    return _lay_out([*rows, *([] for _ in range(-len(rows) % row_multiple))], max_tokens, packed=True)


def _lay_out(rows: Sequence[Sequence[MaskedSequence]], slots: int, *, packed: bool) -> Rows:
    tokens, positions, samples = (np.zeros((len(rows), slots), np.int64) for _ in range(3))
    lengths = np.zeros(len(rows), np.int64)
    masked, labels, firsts = [], [], []
    for row, sequences in enumerate(rows):
        for number, sequence in enumerate(sequences):
            start, size = int(lengths[row]), len(sequence.tokens)
            tokens[row, start : start + size] = sequence.tokens
            positions[row, start : start + size] = np.arange(size)
            samples[row, start : start + size] = number
            firsts.append(row * slots + start)
            masked.append(row * slots + start + sequence.masked)
            labels.append(sequence.labels)
            lengths[row] += size
    places, stood = np.concatenate(masked), np.concatenate(labels)
    return Rows(tokens, lengths, places, stood, *((positions, samples, np.array(firsts)) if packed else ()))

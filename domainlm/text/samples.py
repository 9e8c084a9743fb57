"""Which tokens make up each sample: whole sentences of one document, as many as fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from domainlm.text.indexed import IndexedDataset

Offsets = NDArray[np.int64]


class SampleMap:
    """The samples of a dataset, in the order of its text. They are the same in every epoch.

    Sentences of a document are taken while they fit into the capacity; the next one starts the next sample. A sentence
    longer than the capacity is cut, between words where one of its words ends within the capacity. Every token of the
    dataset is in exactly one sample, and no sample reaches beyond its document.

    Args:
        dataset: the tokens.
        capacity: most tokens of a sample, special tokens not counted.
        is_continuation: which entries continue a word, bool [vocabulary size].

    Attributes:
        starts: first token of each sample, as an index into `dataset.tokens`, [num_samples].
        stops: end (exclusive) of each sample, [num_samples].
    """

    def __init__(self, dataset: IndexedDataset, capacity: int, is_continuation: NDArray[np.bool_]) -> None:
        if capacity < 1:
            raise ValueError(f"a sample must hold a token at least, not {capacity}")
        self._tokens = dataset.tokens
        self._is_continuation = is_continuation
        end = len(dataset.tokens)
        sentences = np.append(dataset.starts, end)
        documents = np.unique(sentences[dataset.documents])  # without empty documents, with the end
        units = np.unique(np.concatenate([sentences, self._cuts(dataset, capacity)]))
        firsts = _first_units(units, documents, capacity)
        self.starts: Offsets = units[firsts]
        self.stops: Offsets = np.append(self.starts[1:], end)
        # The sentence starts inside the samples, those of sample i at [self._breaks_from[i] : self._breaks_from[i+1]].
        inner = np.ones(len(units) - 1, dtype=np.bool_)
        inner[firsts] = False
        self._breaks: Offsets = units[:-1][inner]
        self._breaks_from: Offsets = np.append(firsts, len(units) - 1) - np.arange(len(firsts) + 1)

    def __len__(self) -> int:
        return len(self.starts)

    def pivots(self, samples: NDArray[np.int64], draws: NDArray[Any]) -> Offsets:
        """Where each sample is divided in two, as an index into the dataset's tokens, [samples].

        At the start of one of its sentences but the first, each being as likely; in a sample of one sentence, at the
        start of one of its words; in a sample of one word, anywhere between its sub-tokens. Both parts hold a token,
        unless the sample has only one: then the second part is empty.

        Args:
            samples: which samples, [samples].
            draws: from 0 to 1, [samples].
        """
        first = self._breaks_from[samples]
        num_breaks = self._breaks_from[samples + 1] - first
        chosen = first + (draws * num_breaks).astype(np.int64)
        pivots: Offsets = self._breaks[np.minimum(chosen, len(self._breaks) - 1)] if len(self._breaks) else chosen
        for row in np.flatnonzero(num_breaks == 0):
            pivots[row] = self._pivot_in_sentence(int(samples[row]), float(draws[row]))
        return pivots

    def _pivot_in_sentence(self, sample: int, draw: float) -> int:
        start, stop = int(self.starts[sample]), int(self.stops[sample])
        inner = self._tokens[start + 1 : stop]
        if not len(inner):
            return stop
        word_starts = self._word_starts(inner)
        candidates = word_starts if len(word_starts) else np.arange(len(inner))
        return start + 1 + int(candidates[int(draw * len(candidates))])

    def _word_starts(self, tokens: NDArray[Any]) -> NDArray[np.int64]:
        """Places of the tokens that start a word. Whoever reads the tokens checks that the vocabulary has them all."""
        return np.flatnonzero(~self._is_continuation.take(tokens, mode="clip"))

    def _cuts(self, dataset: IndexedDataset, capacity: int) -> Offsets:
        """Where sentences longer than the capacity are cut, as indices into the dataset's tokens, ascending."""
        cuts: list[int] = []
        for sentence in np.flatnonzero(dataset.lengths > capacity).tolist():
            start = int(dataset.starts[sentence])
            stop = start + int(dataset.lengths[sentence])
            while stop - start > capacity:
                word_starts = self._word_starts(self._tokens[start + 1 : start + capacity + 1])
                start += int(word_starts[-1]) + 1 if len(word_starts) else capacity
                cuts.append(start)
        return np.array(cuts, dtype=np.int64)


def _first_units(units: Offsets, documents: Offsets, capacity: int) -> Offsets:
    """Index of each sample's first unit, ascending.

    Args:
        units: start of each unit that stays whole, and the end of the last one, ascending.
        documents: start of each document, and the end of the last one, ascending; all of them are in `units`.
        capacity: no unit is longer.
    """
    document_ends = documents[np.searchsorted(documents, units[:-1], side="right")]
    limits = np.minimum(units[:-1] + capacity, document_ends)
    following = np.searchsorted(units, limits, side="right") - 1  # the first unit that does not fit behind this one
    ends = np.searchsorted(units, documents[1:])
    current = np.searchsorted(units, documents[:-1])
    rounds: list[Offsets] = []
    while len(current):  # one round for the first sample of every document, one for the second, ...
        rounds.append(current)
        current = following[current]
        unfinished = current < ends
        current, ends = current[unfinished], ends[unfinished]
    return np.sort(np.concatenate(rounds))

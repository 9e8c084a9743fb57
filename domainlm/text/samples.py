"""Which tokens make up each sample of its own row: whole sentences of one document, as many as fit."""

from __future__ import annotations

import numpy as np

from domainlm.text.cuts import Places, Text


class SampleMap:
    """The samples of a text, in its order. They are the same in every epoch.

    Sentences of a document are taken while they fit into the capacity; the next one starts the next sample. A sentence
    longer than the capacity is cut, between words where one of its words ends within the capacity. Every token of the
    dataset is in exactly one sample, and no sample reaches beyond its document.

    Args:
        text: the tokens.
        capacity: most tokens of a sample, special tokens not counted.

    Attributes:
        starts: first token of each sample, as an index into the tokens, [num_samples].
        stops: end (exclusive) of each sample, [num_samples].
    """

    def __init__(self, text: Text, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a sample must hold a token at least, not {capacity}")
        units = np.unique(np.concatenate([text.sentences, _cuts(text, capacity)]))
        self.starts: Places = units[_first_units(units, text.documents, capacity)]
        self.stops: Places = np.append(self.starts[1:], len(text.tokens))

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def num_samples(self) -> int:
        """Samples of all rows: one each."""
        return len(self)

    def samples(self, rows: Places) -> tuple[Places, Places, Places]:
        """The sample of each of some rows: place in `rows`, first token, and end (exclusive), [num_rows]."""
        return np.arange(len(rows)), self.starts[rows], self.stops[rows]


def _cuts(text: Text, capacity: int) -> Places:
    """Where sentences longer than the capacity are cut, ascending from sentence to sentence."""
    starts, stops = text.sentences[:-1], text.sentences[1:]
    found = [np.zeros(0, dtype=np.int64)]
    while True:  # one turn for the first cut of every long sentence, one for the second, ...
        is_long = stops - starts > capacity
        starts, stops = starts[is_long], stops[is_long]
        if not len(starts):
            return np.concatenate(found)
        starts = text.word_ends(starts, starts + capacity)
        found.append(starts)


def _first_units(units: Places, documents: Places, capacity: int) -> Places:
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
    rounds: list[Places] = []
    while len(current):  # one round for the first sample of every document, one for the second, ...
        rounds.append(current)
        current = following[current]
        unfinished = current < ends
        current, ends = current[unfinished], ends[unfinished]
    return np.sort(np.concatenate(rounds))

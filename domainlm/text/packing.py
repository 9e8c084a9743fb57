"""Rows that are full: several samples in one, by best fit, with cuts where nothing fits.

That samples of a row need not see one another is from Krell et al. (2021), that best fit cuts fewer documents than
joining and cutting from Ding et al. (2024). Long documents are cut into pieces of a row each. What is left of them, and
short documents, is packed: a row begins with the longest piece at hand and goes on with the longest one that fits.
There are texts that do not fit that way (abstracts that are all a little longer than half a row); so where nothing
fits, the longest piece at hand is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from domainlm.text.cuts import Places, Text
from domainlm.text.randomness import packing_order

WINDOW_TOKENS = 2**25
"""Documents are packed with others of a stretch of about so many tokens, one stretch after the other."""

_NUM_AT_HAND = 32
"""Pieces to choose from; more of them spare few cuts and cost time."""

_MIN_PIECE = 4
"""Of fewer tokens there is next to nothing to learn."""

_ROWS_PER_LANE = 256
"""Rows of a stretch are filled in so many turns, in each turn one row of every lane."""

_LENGTHS = np.dtype(np.int32)


@dataclass(frozen=True, slots=True)
class RowShape:
    """What fits into a row.

    Attributes:
        max_tokens: slots.
        num_special: special tokens of each sample.
    """

    max_tokens: int
    num_special: int

    @property
    def capacity(self) -> int:
        """Most tokens of a sample, special ones not counted."""
        return self.max_tokens - self.num_special

    @property
    def min_piece(self) -> int:
        """No cut is looked for that leaves fewer tokens than this on either side."""
        return max(1, min(max(_MIN_PIECE, self.max_tokens // 32), self.capacity // 2))

    @property
    def tolerance(self) -> int:
        """So many slots are given up in order to cut at the end of a sentence."""
        return self.max_tokens // 32


class PackedRows:
    """Rows of samples that together hold every token of a text once; a function of text, shape and seed.

    In memory are 12 bytes for each sample and 8 for each row: at 128 slots some 20 bytes for each 100 tokens.

    Args:
        text: the tokens.
        shape: of a row.
        seed: of what comes together.
    """

    def __init__(self, text: Text, shape: RowShape, seed: int) -> None:
        if shape.capacity < 1:
            raise ValueError(f"a sample must hold a token at least, not {shape.capacity}")
        first_documents = _windows(text.documents)
        packed = [
            _pack_window(text, shape, text.documents[first : end + 1], packing_order(seed, window, end - first))
            for window, (first, end) in enumerate(pairwise(first_documents))
        ]
        self._starts: Places = np.concatenate([starts for starts, _, _ in packed])
        self._lengths = np.concatenate([lengths for _, lengths, _ in packed])
        counts = np.concatenate([counts for _, _, counts in packed])
        self._firsts: Places = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=self._firsts[1:])

    def __len__(self) -> int:
        return len(self._firsts) - 1

    @property
    def num_samples(self) -> int:
        """Samples of all rows."""
        return len(self._starts)

    def samples(self, rows: Places) -> tuple[Places, Places, Places]:
        """The samples of some rows, row by row: place in `rows`, first token, and end (exclusive), [num_samples]."""
        firsts, counts = self._firsts[rows], self._firsts[rows + 1] - self._firsts[rows]
        row_of = np.repeat(np.arange(len(rows)), counts)
        places = np.arange(len(row_of)) - np.repeat(np.cumsum(counts) - counts - firsts, counts)
        starts = self._starts[places]
        return row_of, starts, starts + self._lengths[places]


def _windows(documents: Places) -> list[int]:
    """Index of the first document of each window, and the number of documents."""
    window_of = documents[:-1] // WINDOW_TOKENS
    return [*np.flatnonzero(np.diff(window_of, prepend=-1)).tolist(), len(window_of)]


def _pack_window(
    text: Text, shape: RowShape, documents: Places, order: NDArray[np.int64]
) -> tuple[Places, NDArray[np.int32], NDArray[np.int64]]:
    """First token and length of each sample, row by row; and the number of samples of each row."""
    starts, stops = _cut_long(text, shape, documents[:-1][order], documents[1:][order])
    is_full = stops - starts > shape.capacity - shape.min_piece
    # Full pieces are rows by themselves. They come first; the lanes' rows follow.
    num_full = int(is_full.sum())
    lanes = _Lanes(text, shape, starts[~is_full], stops[~is_full])
    rows, row_starts, row_stops = lanes.fill()
    _, counts = np.unique(rows, return_counts=True)
    by_row = np.argsort(rows, kind="stable")
    all_starts = np.concatenate([starts[is_full], row_starts[by_row]])
    all_stops = np.concatenate([stops[is_full], row_stops[by_row]])
    return all_starts, (all_stops - all_starts).astype(_LENGTHS), np.append(np.ones(num_full, np.int64), counts)


def _cut_long(text: Text, shape: RowShape, starts: Places, stops: Places) -> tuple[Places, Places]:
    """Cut documents into pieces that fit into a row; the pieces of one follow one another."""
    ids = np.arange(len(starts))
    found: list[tuple[NDArray[np.int64], Places, Places]] = []
    while True:  # one turn for the first piece of every document, one for the second, ...
        is_long = stops - starts > shape.capacity
        found.append((ids[~is_long], starts[~is_long], stops[~is_long]))
        ids, starts, stops = ids[is_long], starts[is_long], stops[is_long]
        if not len(ids):
            break
        limits = np.minimum(starts + shape.capacity, stops - shape.min_piece)
        cuts = text.cuts(starts, limits, shape.tolerance)
        found.append((ids, starts, cuts))
        starts = cuts
    ids, starts, stops = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((starts, ids))
    return starts[order], stops[order]


class _Lanes:
    """Many rows filled side by side: each lane has pieces of its own, and fills its rows one after the other.

    Args:
        text: the tokens.
        shape: of a row.
        starts: first token of each piece, [num_pieces].
        stops: end of each piece, [num_pieces].
    """

    def __init__(self, text: Text, shape: RowShape, starts: Places, stops: Places) -> None:
        self._text, self._shape = text, shape
        self._all_starts, self._all_stops = starts, stops
        slots = np.cumsum(stops - starts + shape.num_special)
        total = int(slots[-1]) if len(slots) else 0
        num_lanes = max(1, total // (shape.max_tokens * _ROWS_PER_LANE))
        bounds = np.searchsorted(slots, np.arange(num_lanes + 1) * total / num_lanes)
        bounds[-1] = len(starts)
        self._next, self._ends = bounds[:-1].copy(), bounds[1:]
        self._starts = np.zeros((num_lanes, _NUM_AT_HAND), dtype=np.int64)
        self._stops = np.zeros_like(self._starts)
        self._room = np.full(num_lanes, shape.max_tokens)
        self._rows = np.zeros(num_lanes, dtype=np.int64)
        self._placed: list[tuple[NDArray[np.int64], Places, Places]] = []

    def fill(self) -> tuple[NDArray[np.int64], Places, Places]:
        """Place all pieces: number of the row, first token and end of each sample; rows are numbered with gaps."""
        for column in range(_NUM_AT_HAND):
            self._refill(np.arange(len(self._next)), np.full(len(self._next), column))
        active = np.arange(len(self._next))
        while len(active := active[(self._stops[active] > 0).any(axis=1)]):
            self._turn(active)
        if not self._placed:
            empty = np.zeros(0, dtype=np.int64)
            return empty, empty, empty
        rows, starts, stops = (np.concatenate(column) for column in zip(*self._placed, strict=True))
        return rows, starts, stops

    def _refill(self, lanes: NDArray[np.int64], columns: NDArray[np.int64]) -> None:
        """Take each lane's next piece to hand, where it has any left."""
        places = self._next[lanes]
        has_more = places < self._ends[lanes]
        lanes, columns, places = lanes[has_more], columns[has_more], places[has_more]
        self._starts[lanes, columns] = self._all_starts[places]
        self._stops[lanes, columns] = self._all_stops[places]
        self._next[lanes] += 1

    def _turn(self, lanes: NDArray[np.int64]) -> None:
        """In every lane, place the longest piece that fits into its row; where none fits, end the row."""
        lengths = self._stops[lanes] - self._starts[lanes]
        fitting = np.where(lengths <= (self._room[lanes] - self._shape.num_special)[:, None], lengths, 0)
        columns = fitting.argmax(axis=1)
        fits = fitting[np.arange(len(lanes)), columns] > 0
        self._end_rows(lanes[~fits], lengths[~fits].argmax(axis=1))
        lanes, columns = lanes[fits], columns[fits]
        starts, stops = self._starts[lanes, columns], self._stops[lanes, columns]
        self._place(lanes, starts, stops)
        self._starts[lanes, columns] = self._stops[lanes, columns] = 0
        self._refill(lanes, columns)
        # A row without room for a piece that is worth it need not wait for one that fits by chance.
        full = lanes[self._room[lanes] <= self._shape.num_special]
        self._next_row(full)

    def _end_rows(self, lanes: NDArray[np.int64], columns: NDArray[np.int64]) -> None:
        """Fill up the lanes' rows with the first part of the pieces at `columns`, and begin new rows."""
        starts, stops = self._starts[lanes, columns], self._stops[lanes, columns]
        shortest = self._shape.min_piece
        limits = np.minimum(starts + self._room[lanes] - self._shape.num_special, stops - shortest)
        worth_it = limits - starts >= shortest
        worth, worth_columns = lanes[worth_it], columns[worth_it]
        starts = starts[worth_it]
        cuts = self._text.cuts(starts, limits[worth_it], self._shape.tolerance)
        self._place(worth, starts, cuts)
        self._starts[worth, worth_columns] = cuts
        self._next_row(lanes)

    def _place(self, lanes: NDArray[np.int64], starts: Places, stops: Places) -> None:
        rows = self._rows[lanes] * len(self._rows) + lanes
        self._placed.append((rows, starts, stops))
        self._room[lanes] -= stops - starts + self._shape.num_special

    def _next_row(self, lanes: NDArray[np.int64]) -> None:
        self._rows[lanes] += 1
        self._room[lanes] = self._shape.max_tokens

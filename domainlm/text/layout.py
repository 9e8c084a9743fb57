"""Samples laid out in rows: special tokens, token types, places within the sample, padding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domainlm.text.masking import TokenTable
from domainlm.text.pairs import Segments

Ids = NDArray[np.int64]
_MULTIPLE = 8
"""Rows are padded to a multiple of this many tokens, which matrix kernels like."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows before anything is masked; shapes as in `MaskedBatch`."""

    tokens: Ids
    token_types: Ids
    lengths: Ids
    positions: Ids
    samples: Ids
    firsts: Ids


def offsets(row_of: Ids, sizes: Ids) -> Ids:
    """The slot of its row where each sample begins, [num_samples].

    Args:
        row_of: the row of each sample, ascending from 0 without gaps, [num_samples].
        sizes: slots of each sample, [num_samples].
    """
    before = np.cumsum(sizes) - sizes
    is_first = np.diff(row_of, prepend=-1) > 0
    offsets: Ids = before - before[is_first][row_of]
    return offsets


def lay_out(found: Segments, row_of: Ids, table: TokenTable, max_tokens: int, read: Callable[[Ids], Ids]) -> Rows:
    """Put samples into rows, one behind the other: `[CLS] A [SEP] B [SEP]`, or `[CLS] A [SEP]`.

    Args:
        found: the samples' segments, row by row.
        row_of: the row of each sample, ascending from 0 without gaps, [num_samples].
        table: special ids.
        max_tokens: longest row.
        read: gives the ids at some places of the text.
    """
    sizes = found.sizes()
    begins = offsets(row_of, sizes)
    lengths = np.bincount(row_of, sizes).astype(np.int64)
    width = min(-(-int(lengths.max()) // _MULTIPLE) * _MULTIPLE, max_tokens)
    firsts = row_of * width + begins

    # Everything below is by slot, without the padding: [sum of lengths].
    sample = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(sample)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    behind_first = place - (found.lengths + 1)[sample]  # 0 at the first [SEP]
    sources = found.starts[sample] + place - 1
    if found.second_starts is not None:
        sources = np.where(behind_first > 0, found.second_starts[sample] + behind_first - 1, sources)
    ids = np.full(len(sample), table.sep)
    ids[place == 0] = table.cls
    is_text = (place > 0) & (behind_first != 0) & (place < (sizes - 1)[sample])
    ids[is_text] = read(sources[is_text])

    slots = firsts[sample] + place
    shape = (len(lengths), width)

    def grid(values: Ids, padding: int = 0) -> Ids:
        filled = np.full(shape, padding, dtype=np.int64)
        filled.ravel()[slots] = values
        return filled

    first_samples = np.flatnonzero(np.diff(row_of, prepend=-1))
    return Rows(
        tokens=grid(ids, table.pad),
        token_types=grid((behind_first > 0).astype(np.int64)),
        lengths=lengths,
        positions=grid(place),
        samples=grid(sample - first_samples[row_of][sample]),
        firsts=firsts,
    )

"""Several corpora read in turns, in exact proportions, as a function of seed and position alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from domainlm.text.batches import MaskedBatch, PretrainingBatches
from domainlm.text.layout import Ids
from domainlm.text.randomness import mixing_uniforms

NUM_TURNS = 2**16
"""Every so many positions the turns begin anew, and each corpus has had its exact share of them."""

_MOST_SEED = 2**64
_SEED_STEP = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio: seeds of corpora are far apart


def shares_of_sizes(sizes: Sequence[float], exponent: float) -> list[float]:
    """Shares in proportion to sizes to a power (Conneau and Lample 2019, section 3.1); 1 / exponent is a temperature.

    Args:
        sizes: of the corpora, in any unit.
        exponent: 1 for shares in proportion to the sizes, 0 for equal ones.
    """
    powers = np.asarray(sizes, dtype=np.float64) ** exponent
    return [float(share) for share in powers / powers.sum()]


def corpus_seed(seed: int, corpus: int) -> int:
    """The seed of one corpus of a mixture; the first one has the mixture's own."""
    return (seed + corpus * _SEED_STEP) % _MOST_SEED if corpus else seed


class Turns:
    """Which corpus is read at each position, and how many times it was read before.

    Each corpus has a whole number of every 65,536 positions, those nearest to its weight, one at the least. They are
    spread evenly: of n turns a corpus has the k-th somewhere in the k-th n-th of them, drawn by the seed.

    Args:
        weights: of the corpora, above 0; only their proportions matter.
        seed: of the turns.
    """

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        self._counts = _apportion(np.asarray(weights, dtype=np.float64))
        whens = [
            (np.arange(count) + mixing_uniforms(seed, corpus, count)) / count
            for corpus, count in enumerate(self._counts.tolist())
        ]
        order = np.argsort(np.concatenate(whens), kind="stable")
        self._corpora: NDArray[np.int16] = np.repeat(np.arange(len(whens), dtype=np.int16), self._counts)[order]
        self._before = np.empty(NUM_TURNS, dtype=np.int64)
        for corpus, count in enumerate(self._counts.tolist()):
            self._before[self._corpora == corpus] = np.arange(count)

    @property
    def shares(self) -> list[float]:
        """What part of the positions each corpus has."""
        return [count / NUM_TURNS for count in self._counts.tolist()]

    def at(self, positions: Ids) -> tuple[Ids, Ids]:
        """The corpus at each position, and how many earlier positions are of the same corpus, [num_positions]."""
        rounds, turns = np.divmod(positions, NUM_TURNS)
        corpora = self._corpora[turns].astype(np.int64)
        return corpora, rounds * self._counts[corpora] + self._before[turns]

    def taken(self, num_positions: int) -> list[int]:
        """How many of the first so many positions each corpus has."""
        rounds, turns = divmod(num_positions, NUM_TURNS)
        rest = np.bincount(self._corpora[:turns], minlength=len(self._counts))
        return [int(count) for count in rounds * self._counts + rest]


def _apportion(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers that add up to NUM_TURNS, by largest remainders; at least one each."""
    if not len(weights) or not (np.isfinite(weights).all() and (weights > 0.0).all()):
        raise ValueError(f"weights of a mixture must be above 0, not {weights.tolist()}")
    quotas = weights / weights.sum() * (NUM_TURNS - len(weights))
    counts: NDArray[np.int64] = np.floor(quotas).astype(np.int64)
    missing = NUM_TURNS - len(weights) - int(counts.sum())
    counts += 1
    counts[np.argsort(counts - quotas, kind="stable")[:missing]] += 1
    return counts


class MixedBatches:
    """Sequences of several corpora in turns. Each corpus has epochs of its own.

    Args:
        corpora: by name, with batches of one vocabulary and one shape.
        weights: of the corpora, in the same order.
        seed: of the turns.
        pad: id that fills up rows.
    """

    def __init__(
        self, corpora: Mapping[str, PretrainingBatches], weights: Sequence[float], *, seed: int, pad: int
    ) -> None:
        self._names = list(corpora)
        self._parts = list(corpora.values())
        self._turns = Turns(weights, seed)
        self._pad = pad

    def batch(self, positions: Sequence[int]) -> MaskedBatch:
        """The sequences at some positions (at least one), in this order, padded to a common length."""
        corpora, places = self._turns.at(np.asarray(positions, dtype=np.int64))
        found = [
            (np.flatnonzero(corpora == corpus), self._parts[corpus].batch(places[corpora == corpus].tolist()))
            for corpus in np.unique(corpora).tolist()
        ]
        return found[0][1] if len(found) == 1 else join(found, self._pad)

    def epochs(self, num_positions: int) -> dict[str, float]:
        """How often each corpus has been read when so many positions have been taken."""
        taken = self._turns.taken(num_positions)
        return {
            name: count / part.num_sequences for name, part, count in zip(self._names, self._parts, taken, strict=True)
        }


def join(parts: Sequence[tuple[Ids, MaskedBatch]], pad: int) -> MaskedBatch:
    """Put batches together.

    Args:
        parts: batches, each with the row of the result that each of its rows becomes, ascending.
        pad: id that fills up rows.
    """
    joined = _Joined(parts)
    masked = joined.places("masked_positions")
    order = np.argsort(masked, kind="stable")
    is_packed = parts[0][1].firsts is not None
    firsts = joined.places("firsts") if is_packed else np.concatenate([rows for rows, _ in parts])
    by_sample = np.argsort(firsts, kind="stable")
    is_swapped = [batch.is_swapped for _, batch in parts if batch.is_swapped is not None]
    tokens, token_types = joined.rows("tokens", pad), joined.rows("token_types")
    assert tokens is not None
    assert token_types is not None
    return MaskedBatch(
        tokens=tokens,
        token_types=token_types,
        lengths=joined.lengths(),
        masked_positions=masked[order],
        masked_labels=np.concatenate([batch.masked_labels for _, batch in parts])[order],
        is_swapped=np.concatenate(is_swapped)[by_sample] if is_swapped else None,
        positions=joined.rows("positions"),
        samples=joined.rows("samples"),
        firsts=firsts[by_sample] if is_packed else None,
    )


class _Joined:
    """Fields of batches, laid out in the rows of the batch that they become; see `join`."""

    def __init__(self, parts: Sequence[tuple[Ids, MaskedBatch]]) -> None:
        self._parts = parts
        self._width = max(batch.tokens.shape[1] for _, batch in parts)
        self._num_rows = sum(len(rows) for rows, _ in parts)

    def rows(self, name: str, padding: int = 0) -> Ids | None:
        """A field of a number for each slot, [num_rows, width]; None where the batches have none."""
        filled = np.full((self._num_rows, self._width), padding, dtype=np.int64)
        for rows, batch in self._parts:
            values = getattr(batch, name)
            if values is None:
                return None
            filled[rows, : values.shape[1]] = values
        return filled

    def places(self, name: str) -> Ids:
        """A field of places in flattened rows, [number of all], in the order of the parts."""
        found = []
        for rows, batch in self._parts:
            row, slot = np.divmod(getattr(batch, name), batch.tokens.shape[1])
            found.append(rows[row] * self._width + slot)
        return np.concatenate(found)

    def lengths(self) -> Ids:
        """Tokens of each row, [num_rows]."""
        lengths = np.empty(self._num_rows, dtype=np.int64)
        for rows, batch in self._parts:
            lengths[rows] = batch.lengths
        return lengths

"""Signatures by which near duplicates find one another: MinHash (Broder 1997) with locality-sensitive hashing.

The share of equal slots of two signatures estimates the Jaccard similarity of two documents' sets of shingles (runs of
words). The slots are divided into bands; two documents with one equal band are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from domainlm.text.preparation.hashing import Hashes, Places, hash_sequences

Signatures = NDArray[np.uint32]

_BAND_BASE = 0x9E3779B97F4A7C15
_MIN_RECALL = 0.99


@dataclass(frozen=True)
class NearSettings:
    """Which documents are near duplicates.

    Attributes:
        threshold: least similarity of two near duplicates, above 0 and below 1.
        num_words: words of a shingle.
        num_slots: of a signature. The estimate's standard deviation is at most `0.5 / sqrt(num_slots)`.
        seed: of the hash functions.
    """

    threshold: float = 0.8
    num_words: int = 5
    num_slots: int = 128
    seed: int = 1

    @cached_property
    def num_rows(self) -> int:
        """Slots of a band: the most with which at least 99 % of the pairs at the threshold share a band."""
        for rows in range(self.num_slots, 1, -1):
            bands = self.num_slots // rows
            if 1.0 - (1.0 - self.threshold**rows) ** bands >= _MIN_RECALL:
                return rows
        return 1

    @property
    def num_bands(self) -> int:
        """Bands of a signature."""
        return self.num_slots // self.num_rows


def make_signatures(words: Hashes, places: Places, settings: NearSettings) -> Signatures:
    """The signature of each text, uint32 [num_texts, num_slots].

    A text shorter than a shingle has its words as its one shingle.

    Args:
        words: hashes of words, [num_words].
        places: first word of each text, and the number of words, [num_texts + 1]. No text is empty.
        settings: shingles and slots.
    """
    from rensa import RMinHash

    counts = np.diff(places)
    hashes, starts = hash_sequences(words, places, settings.num_words)
    shingles = [hashes]
    for text in np.flatnonzero(counts < settings.num_words).tolist():
        part = words[places[text] : places[text + 1]]
        shingles.append(hash_sequences(part, np.array([0, len(part)]), len(part))[0])
    starts = np.concatenate([starts, places[:-1][counts < settings.num_words]])
    order = np.argsort(starts, kind="stable")
    offsets = np.searchsorted(starts[order], places).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        np.concatenate(shingles)[order], offsets, settings.num_slots, settings.seed
    )
    rows = np.array(matrix.to_rows(), dtype=np.uint32)
    return rows.reshape(len(counts), settings.num_slots)


def band_hashes(signatures: Signatures, settings: NearSettings) -> Hashes:
    """A hash of each band of each signature, uint64 [num_bands, num_texts]."""
    bands = np.zeros((settings.num_bands, len(signatures)), np.uint64)
    for band in range(settings.num_bands):
        first = band * settings.num_rows
        for slot in range(first, first + settings.num_rows):
            bands[band] = (bands[band] ^ signatures[:, slot]) * np.uint64(_BAND_BASE)
            bands[band] ^= bands[band] >> np.uint64(29)
    return bands


def signature_version() -> str:
    """Names what signatures of different versions of the library must not be compared over."""
    from rensa import RMinHash

    return f"rensa R-MinHash {RMinHash.ALGORITHM_VERSION}"

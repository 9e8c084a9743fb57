"""Random numbers as a function of explicit coordinates, the same on every machine and numpy version.

Each stream is a Philox 4x64 counter generator (Salmon et al. 2011) whose key and counter are the coordinates. Only its
raw 64-bit words are used: their stream is fixed, that of numpy's distributions is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORD = 2**64
_ORDER, _SAMPLE, _PACKING, _MIXING = 1, 2, 3, 4


def uniforms(seed: int, epochs: NDArray[np.int64], places: NDArray[np.int64], num_columns: int) -> NDArray[np.float64]:
    """Numbers from 0 (inclusive) to 1 (exclusive), [samples, num_columns].

    Row i depends on `(seed, epochs[i], places[i])` only, and its first columns not on `num_columns`.
    """
    generator: Any = np.random.Philox(key=0)
    words = np.empty((len(places), num_columns), dtype=np.uint64)
    for row, (epoch, place) in enumerate(zip(epochs.tolist(), places.tolist(), strict=True)):
        # Setting the state of one generator costs a quarter of making a new one.
        generator.state = _state(seed, _SAMPLE, epoch, place)
        words[row] = generator.random_raw(num_columns)
    return _fractions(words)


def permutation(seed: int, epoch: int, size: int) -> NDArray[np.int64]:
    """The numbers below `size` in random order, [size]."""
    return _permutation(seed, _ORDER, epoch, size)


def packing_order(seed: int, window: int, size: int) -> NDArray[np.int64]:
    """The same for the documents of a window that is packed by itself; unlike any order of an epoch."""
    return _permutation(seed, _PACKING, window, size)


def mixing_uniforms(seed: int, corpus: int, size: int) -> NDArray[np.float64]:
    """Numbers from 0 (inclusive) to 1 (exclusive), [size]: where in its turns a corpus of a mixture comes."""
    generator: Any = np.random.Philox(key=0)
    generator.state = _state(seed, _MIXING, corpus, 0)
    return _fractions(generator.random_raw(size))


def _permutation(seed: int, purpose: int, number: int, size: int) -> NDArray[np.int64]:
    generator: Any = np.random.Philox(key=0)
    generator.state = _state(seed, purpose, number, 0)
    return np.argsort(generator.random_raw(size), kind="stable")


def _fractions(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _state(seed: int, purpose: int, epoch: int, place: int) -> dict[str, Any]:
    return {
        "bit_generator": "Philox",
        "state": {
            "counter": np.array([0, 0, place, epoch], dtype=np.uint64),
            "key": np.array([seed % _WORD, purpose], dtype=np.uint64),
        },
        "buffer": np.zeros(4, dtype=np.uint64),
        "buffer_pos": 4,  # an empty buffer
        "has_uint32": 0,
        "uinteger": 0,
    }

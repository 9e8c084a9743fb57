from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.text.randomness import permutation, uniforms


def test_numbers_are_those_of_philox_at_the_coordinates() -> None:
    generator = np.random.Philox(counter=[0, 0, 7, 3], key=[11, 2])  # numpy's own seeding, place 7 of epoch 3
    expected = [int(word) >> 11 for word in generator.random_raw(6)]
    drawn = uniforms(11, np.array([3]), np.array([7]), 6)[0]
    assert (drawn * 2.0**53).tolist() == expected


_COORDINATES = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 1000), st.integers(0, 2**40))


@given(_COORDINATES, _COORDINATES)
def test_a_row_depends_on_its_coordinates_alone(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    seed, epoch, place = one
    alone = uniforms(seed, np.array([epoch]), np.array([place]), 5)
    beside = uniforms(seed, np.array([other[1], epoch]), np.array([other[2], place]), 9)
    assert np.array_equal(alone[0], beside[1, :5])
    changed = uniforms(other[0], np.array([other[1]]), np.array([other[2]]), 5)
    assert np.array_equal(alone, changed) == (one == other)


def test_numbers_are_uniform() -> None:
    drawn = uniforms(1, np.zeros(200, dtype=np.int64), np.arange(200), 500)
    assert drawn.min() >= 0.0
    assert drawn.max() < 1.0
    counts, _ = np.histogram(drawn, bins=10, range=(0.0, 1.0))
    assert np.abs(counts - 10_000).max() < 475  # five standard deviations of a binomial count, sqrt(1e5 * .1 * .9)
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.36  # five standard deviations, 1 / sqrt(200)


@given(st.integers(0, 2**32), st.integers(0, 50), st.integers(0, 200))
def test_a_permutation_holds_every_number_once(seed: int, epoch: int, size: int) -> None:
    assert sorted(permutation(seed, epoch, size).tolist()) == list(range(size))


@pytest.mark.parametrize(("seed", "epoch"), [(1, 0), (0, 1)])
def test_permutations_differ_by_seed_and_epoch(seed: int, epoch: int) -> None:
    assert permutation(0, 0, 100).tolist() != permutation(seed, epoch, 100).tolist()
    assert permutation(seed, epoch, 100).tolist() == permutation(seed, epoch, 100).tolist()

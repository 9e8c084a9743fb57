from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from domainlm.study.report.significance import Sample, compare, holm, sign_flip
from domainlm.study.report.units import Units
from domainlm.tasks.significance import f1_of_sums


def units(counts: list[list[float]], data: str = "d") -> Units:
    return Units("p", data, {"f1": (np.array(counts), f1_of_sums)}, ("block",))


def test_sign_flip_by_hand() -> None:
    # All six differences are positive: of 64 sign patterns only two reach their sum.
    assert sign_flip([0.1, 0.2, 0.3, 0.1, 0.2, 0.3]) == pytest.approx(2 / 64)
    # 1 x +5 and 6 x -1 in units: patterns with |sum| >= 1, and every pattern of seven odd numbers has an odd sum
    assert sign_flip([5, -1, -1, -1, -1, -1, -1]) == 1.0


def test_fewer_than_six_seeds_cannot_be_significant_and_are_not_tested() -> None:
    assert sign_flip([1.0] * 5) is None


@given(st.lists(st.integers(-50, 50), min_size=6, max_size=8))
def test_sign_flip_agrees_with_scipys_permutation_test(differences: list[int]) -> None:
    found = stats.permutation_test(
        (np.array(differences, dtype=float),), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip([float(each) for each in differences]) == pytest.approx(found.pvalue)


def test_holm_by_hand() -> None:
    # 0.01 x 3; 0.02 x 2; 0.04 x 1 would fall below the one before and is lifted to it
    assert holm([0.04, None, 0.01, 0.02]) == [pytest.approx(0.04), None, pytest.approx(0.03), pytest.approx(0.04)]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
    # Of a family of six: 0.01 x 6; 0.02 x 5.
    assert holm([0.02, 0.01], 6) == [pytest.approx(0.1), pytest.approx(0.06)]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_never_lowers_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = [each for each in holm(p_values) if each is not None]
    assert all(before <= after <= 1.0 for before, after in zip(p_values, adjusted, strict=True))
    for (first, one), (second, other) in itertools.permutations(zip(p_values, adjusted, strict=True), 2):
        assert first > second or one <= other


def test_documents_are_paired_where_they_are_known() -> None:
    good = units([[10, 10, 9]] * 40)
    bad = units([[10, 10, 5]] * 40)
    found = compare(Sample({0: 0.9}, {0: good}), Sample({0: 0.5}, {0: bad}), "f1")
    assert (found.how, found.num_pairs, found.kinds, found.protocols) == ("units", 40, ("block",), ("p",))
    assert found.p_value is not None
    assert found.p_value < 0.001
    assert found.difference == pytest.approx(0.4)
    assert found.interval == (pytest.approx(0.4), pytest.approx(0.4))


def test_equal_models_do_not_differ() -> None:
    same = units([[10, 10, 9], [4, 3, 2], [1, 1, 0]])
    found = compare(Sample({0: 0.9}, {0: same}), Sample({0: 0.9}, {0: same}), "f1")
    assert found.p_value == 1.0


@pytest.mark.parametrize("other", [units([[10, 10, 5]] * 40, data="e"), units([[10, 10, 5]] * 39)])
def test_documents_of_other_data_are_not_paired(other: Units) -> None:
    found = compare(Sample({0: 0.9}, {0: units([[10, 10, 9]] * 40)}), Sample({0: 0.5}, {0: other}), "f1")
    assert (found.how, found.p_value) == ("untested", None)


def test_the_difference_is_of_the_seeds_that_are_tested() -> None:
    few, many = units([[10, 10, 5]] * 40), units([[10, 10, 9]] * 40)
    found = compare(Sample({0: 0.5, 1: 0.9}, {0: few, 1: many}), Sample({0: 0.6}, {0: units([[10, 10, 6]] * 40)}), "f1")
    assert found.difference == pytest.approx(-0.1)
    assert found.interval == (pytest.approx(-0.1), pytest.approx(-0.1))


def test_documents_that_not_every_shared_seed_has_are_not_paired() -> None:
    same = units([[10, 10, 9]] * 40)
    found = compare(Sample({0: 0.9, 1: 0.9}, {0: same}), Sample({0: 0.9, 1: 0.1}, {0: same, 1: same}), "f1")
    assert (found.how, found.difference) == ("untested", pytest.approx(0.4))


def test_without_a_shared_seed_the_difference_is_of_all() -> None:
    found = compare(Sample({0: 0.5, 1: 0.7}), Sample({2: 0.4}), "f1")
    assert (found.how, found.num_pairs) == ("untested", 0)
    assert found.difference == pytest.approx(0.2)


def test_only_seeds_that_both_have_are_paired() -> None:
    first = Sample({seed: 0.8 + seed / 1000 for seed in range(8)})
    second = Sample(dict.fromkeys(range(2, 10), 0.7))
    found = compare(first, second, "f1")
    assert (found.how, found.num_pairs) == ("seeds", 6)
    assert found.p_value == pytest.approx(2 / 64)
    assert found.difference == pytest.approx(0.1045)  # seeds 2 to 7

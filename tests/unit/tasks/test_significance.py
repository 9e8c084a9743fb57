"""Randomisation against all swaps enumerated, and predictions read back."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domainlm.errors import DataError
from domainlm.tasks.predictions import check_same_units, count_predictions, pool_files
from domainlm.tasks.significance import (
    Metric,
    Numbers,
    UnitPair,
    compare_means,
    compare_units,
    f1_of_sums,
    mean_of_sums,
    p_value_of_means,
)


def _exact(first: Numbers, second: Numbers, metric: Metric) -> float:
    """The share of all swaps whose difference is at least the one observed (Noreen 1989, exact randomisation)."""
    differences = []
    for swaps in product([False, True], repeat=len(first)):
        mask = np.array(swaps)[:, None]
        one, other = np.where(mask, second, first).sum(axis=0), np.where(mask, first, second).sum(axis=0)
        differences.append(abs(float(metric(one) - metric(other))))
    return float(np.mean([each >= differences[0] - 1e-12 for each in differences]))


def test_three_units_by_hand() -> None:
    # Differences of 1 each: of the 8 swaps only the given one and its mirror image reach 3 in sum, so p = 1/4.
    first, second = np.array([[1.0, 1.0]] * 3), np.array([[1.0, 0.0]] * 3)
    found = compare_units(first, second, mean_of_sums)
    assert (found.first, found.second, found.num_units) == (1.0, 0.0, 3)
    assert found.p_value == pytest.approx(0.25, abs=0.02)
    assert found.interval is None  # of three equal units it would be a point


def test_six_units_have_an_interval() -> None:
    first, second = np.array([[1.0, 1.0]] * 6), np.array([[1.0, 0.0]] * 6)
    assert compare_units(first[1:], second[1:], mean_of_sums).interval is None
    assert compare_units(first, second, mean_of_sums).interval == (1.0, 1.0)


def test_f1_against_all_swaps() -> None:
    first = np.array([[3, 4, 3], [2, 2, 1], [5, 4, 4], [1, 0, 0], [0, 2, 0], [4, 4, 4], [2, 3, 2], [3, 1, 1]], float)
    second = np.array([[3, 2, 1], [2, 2, 2], [5, 6, 2], [1, 1, 1], [0, 3, 0], [4, 2, 1], [2, 0, 0], [3, 2, 1]], float)
    found = compare_units(first, second, f1_of_sums, num_rounds=20_000)
    assert found.first == pytest.approx(2 * 15 / (20 + 20))
    assert found.p_value == pytest.approx(_exact(first, second, f1_of_sums), abs=0.015)
    assert found.interval is not None
    low, high = found.interval
    assert low < found.first - found.second < high
    assert compare_units(first, second, f1_of_sums) == compare_units(first, second, f1_of_sums)


def _exact_of_means(pairs: list[UnitPair]) -> float:
    """As `_exact`, of the mean of several data sets' scores."""
    differences = []
    for swaps in product([False, True], repeat=sum(len(pair.first) for pair in pairs)):
        left = list(swaps)
        scores = []
        for pair in pairs:
            mask, left = np.array(left[: len(pair.first)])[:, None], left[len(pair.first) :]
            one, other = np.where(mask, pair.second, pair.first), np.where(mask, pair.first, pair.second)
            scores.append(float(pair.metric(one.sum(axis=0)) - pair.metric(other.sum(axis=0))))
        differences.append(abs(float(np.mean(scores))))
    return float(np.mean([each >= differences[0] - 1e-12 for each in differences]))


def test_means_over_data_sets_against_all_swaps() -> None:
    entities = UnitPair(
        np.array([[3, 4, 3], [2, 2, 1], [5, 4, 4], [1, 1, 1], [2, 2, 2]], float),
        np.array([[3, 2, 1], [2, 2, 2], [5, 6, 2], [1, 1, 0], [2, 0, 0]], float),
        f1_of_sums,
    )
    answered = np.array([[1, 1], [1, 1], [1, 0], [1, 1]], float), np.array([[1, 0], [1, 1], [1, 1], [1, 0]], float)
    pairs = [entities, UnitPair(*answered, mean_of_sums)]
    found = compare_means(pairs, num_rounds=20_000)
    assert found.first == pytest.approx((2 * 11 / (13 + 13) + 3 / 4) / 2)
    assert found.num_units == 9
    assert found.p_value == pytest.approx(_exact_of_means(pairs), abs=0.015)
    assert found.interval is None  # four questions are too few, whatever the other data set has
    twice = [UnitPair(np.tile(pair.first, (2, 1)), np.tile(pair.second, (2, 1)), pair.metric) for pair in pairs]
    found = compare_means(twice)
    assert found.interval is not None
    low, high = found.interval
    assert low < found.first - found.second < high


def test_a_data_set_weighs_the_same_whatever_its_size() -> None:
    large = UnitPair(np.array([[1.0, 1.0]] * 90), np.array([[1.0, 0.0]] * 90), mean_of_sums)
    small = UnitPair(np.array([[1.0, 0.0]] * 10), np.array([[1.0, 1.0]] * 10), mean_of_sums)
    found = compare_means([large, small])
    assert (found.first, found.second, found.p_value) == (0.5, 0.5, 1.0)
    with pytest.raises(ValueError, match="no data set"):
        compare_means([])


def test_equal_models_do_not_differ() -> None:
    units = np.array([[3.0, 4.0, 2.0], [1.0, 1.0, 1.0]])
    assert compare_units(units, units, f1_of_sums).p_value == 1.0
    with pytest.raises(ValueError, match="the same"):
        compare_units(units, units[:1], f1_of_sums)


def _write(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def _entity(start: int, type_: str = "ship") -> dict[str, Any]:
    return {"start": start, "end": start + 4, "type": type_, "score": 0.9}


def test_entities_are_counted_by_document(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "a.jsonl",
        {"id": "12:0", "gold": [_entity(0), _entity(9, "place")], "predicted": [_entity(0)]},
        {"id": "12:1", "gold": [_entity(3)], "predicted": [_entity(3, "place")]},
        {"id": "13:0", "gold": [], "predicted": []},
    )
    counted = count_predictions(path)
    assert {unit: sums.tolist() for unit, sums in counted.by_unit.items()} == {"12": [3, 2, 1], "13": [0, 0, 0]}
    ships = count_predictions(path, labels=["ship"])
    assert ships.by_unit["12"].tolist() == [2, 1, 1]
    pooled = pool_files([path, path])
    assert pooled.by_unit["12"].tolist() == [6, 4, 2]


def test_sentences_of_one_file_stay_apart(tmp_path: Path) -> None:
    records = [{"id": f"test:{n}", "gold": "yes", "predicted": "no" if n else "yes"} for n in range(3)]
    counted = count_predictions(_write(tmp_path / "a.jsonl", *records))
    assert {unit: sums.tolist() for unit, sums in counted.by_unit.items()} == {
        "test:0": [1, 1, 1], "test:1": [1, 1, 0], "test:2": [1, 1, 0],
    }  # fmt: skip
    only = count_predictions(_write(tmp_path / "a.jsonl", *records), labels=["yes"])
    assert only.by_unit["test:1"].tolist() == [1, 0, 0]


def test_a_number_of_each_record(tmp_path: Path) -> None:
    records = [{"id": "q1", "f1": 0.5}, {"id": "q2", "f1": 1}]
    counted = count_predictions(_write(tmp_path / "a.jsonl", *records), score="f1")
    assert counted.by_unit["q1"].tolist() == [1.0, 0.5]


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    one = _write(tmp_path / "a.jsonl", {"id": "12:0", "gold": [], "predicted": []})
    other = _write(tmp_path / "b.jsonl", {"id": "14:0", "gold": [], "predicted": []})
    with pytest.raises(DataError, match="other documents"):
        check_same_units(count_predictions(one), count_predictions(other), other)
    moved = _write(tmp_path / "b.jsonl", {"id": "12:0", "gold": [_entity(0)], "predicted": []})
    with pytest.raises(DataError, match="another gold standard"):
        check_same_units(count_predictions(one), count_predictions(moved), moved)
    records: list[dict[str, Any]] = [
        {"id": "1"},
        {"id": "1", "gold": 3, "predicted": []},
        {"gold": [], "predicted": []},
    ]
    for bad in records:
        with pytest.raises(DataError, match=r"a\.jsonl:1: not a record"):
            count_predictions(_write(one, bad))


@pytest.mark.parametrize("num_units", [1, 8, 13])
def test_the_p_value_alone_is_that_of_all_swaps(num_units: int) -> None:
    draw = np.random.default_rng(num_units)
    pair = UnitPair(*draw.integers(0, 4, (2, num_units, 3)).astype(float), f1_of_sums)
    exact = _exact(pair.first, pair.second, f1_of_sums)
    found = p_value_of_means([pair], num_rounds=20_000)
    assert found == pytest.approx(exact, abs=0.015)
    assert found == p_value_of_means([pair], num_rounds=20_000)
    assert compare_means([pair], num_rounds=20_000).p_value == pytest.approx(found, abs=0.015)

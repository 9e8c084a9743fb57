"""Which numbers of two runs are subtracted from each other, and over which seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainlm.study.compare import Pair, compare_runs

Json = dict[str, Any]
# What a language model says of one held-out text.
LM = {"masked_lm_loss": 3.0, "bits_per_character": 1.5, "num_masked": 100, "num_scored_characters": 700}


def _lm_rows(vocabulary_id: str = "one", **values: float) -> list[Json]:
    common = {"stage": "lm-score", "dataset": "logs", "split": "held-out", "seed": 0, "vocabulary_id": vocabulary_id}
    return [{**common, "metric": name, "value": value} for name, value in (LM | values).items()]


def _f1_rows(by_seed: dict[int, float]) -> list[Json]:
    common = {"stage": "finetune", "dataset": "ships", "split": "test", "metric": "f1"}
    return [{**common, "seed": seed, "value": value} for seed, value in by_seed.items()]


def _compare(folder: Path, first: list[Json], second: list[Json]) -> dict[str, Pair]:
    for name, rows in (("first", first), ("second", second)):
        (folder / name).mkdir()
        (folder / name / "results.json").write_text(json.dumps({"recipe": {}, "rows": rows}), encoding="utf-8")
    return {pair.what[3]: pair for pair in compare_runs(folder / "first", folder / "second").pairs}


@pytest.mark.parametrize(
    ("second", "subtracted"),
    [
        (_lm_rows(masked_lm_loss=3.5), {*LM}),
        # A loss per sub-token of another vocabulary is another measure; bits per character are of the same words.
        (_lm_rows("other", num_masked=90), {"bits_per_character", "num_masked", "num_scored_characters"}),
        # Another held-out text, which nothing but its size tells.
        (_lm_rows(num_masked=90, num_scored_characters=650), {"num_masked", "num_scored_characters"}),
    ],
)
def test_losses_are_compared_on_one_text_in_one_vocabulary(
    tmp_path: Path, second: list[Json], subtracted: set[str]
) -> None:
    pairs = _compare(tmp_path, _lm_rows(), second)
    assert {name for name, pair in pairs.items() if pair.difference is not None} == subtracted
    assert all(None not in pair.values for pair in pairs.values())


@pytest.mark.parametrize(
    ("second", "means", "num_seeds"),
    [
        ({0: 0.6, 1: 0.8}, (0.5, 0.7), (2, 2)),
        ({1: 0.8}, (0.6, 0.8), (1, 1)),  # of the first run seed 1 alone
        ({7: 0.8}, (0.5, 0.8), (2, 1)),
    ],
)
def test_means_are_over_the_seeds_of_both(
    tmp_path: Path, second: dict[int, float], means: tuple[float, float], num_seeds: tuple[int, int]
) -> None:
    pair = _compare(tmp_path, _f1_rows({0: 0.4, 1: 0.6}), _f1_rows(second))["f1"]
    assert pair.values == pytest.approx(means)
    assert pair.num_seeds == num_seeds
    assert pair.difference == pytest.approx(means[1] - means[0])


def test_a_number_of_one_run_alone_has_no_difference(tmp_path: Path) -> None:
    pair = _compare(tmp_path, _f1_rows({0: 0.4, 1: 0.6}), [])["f1"]
    assert (pair.values, pair.num_seeds, pair.difference) == ((pytest.approx(0.5), None), (2, 0), None)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.errors import DataError
from domainlm.study.report.aggregate import Group, Scores, best_means, format_summary, summarise
from domainlm.study.report.arms import Arms
from domainlm.study.report.load import load_results
from domainlm.study.report.metrics import metric_facts, sort_metrics
from domainlm.study.report.question import read_question

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]
TEST = Group("finetune", "test", "conlleval entity")


def read(results: Json, write_run: WriteRun) -> tuple[Scores, Arms]:
    loaded = load_results(write_run(results))
    question = read_question(loaded.recipe)
    arms = Arms(loaded, question)
    return Scores(loaded.rows, arms, question), arms


def test_mean_and_sample_deviation_by_hand() -> None:
    # 70, 72, 77: mean 73; squares of the differences 9 + 1 + 16 = 26; 26 / 2 = 13; its root 3.6056
    summary = summarise({0: 0.70, 1: 0.72, 2: 0.77})
    assert summary.mean == pytest.approx(0.73)
    assert summary.deviation == pytest.approx(0.036056, abs=1e-6)
    assert summary.num_seeds == 3
    assert format_summary(summary, "f1") == "73.0 ± 3.6"


def test_one_seed_has_no_deviation() -> None:
    summary = summarise({7: 0.7123})
    assert summary.deviation is None
    assert format_summary(summary, "f1") == "71.2"


def test_values_come_by_ascending_seed() -> None:
    assert summarise({9: 0.1, 2: 0.2}).values == [0.2, 0.1]


def test_scores_of_the_study(results: Json, write_run: WriteRun) -> None:
    scores, arms = read(results, write_run)
    without, with_ = arms
    assert [arm.label for arm in arms] == ["num_steps=0", "num_steps=1500"]
    assert scores.datasets(TEST) == ("harbours", "cargoes")
    assert scores.metrics(TEST) == ("f1", "precision", "recall")
    assert scores.types(TEST, "harbours") == ("Crew", "Port")
    assert scores.types(TEST, "cargoes") == ()
    # harbours, 1500 steps: 70.8 and 71.6 -> 71.2, deviation 0.8 / sqrt(2) = 0.566
    found = scores.summary(TEST, with_, "harbours", "f1")
    assert found is not None
    assert found.mean == pytest.approx(0.712)
    assert found.deviation == pytest.approx(0.0056569, abs=1e-6)
    # Crew, no steps: 40 and 42 -> 41, deviation 2 / sqrt(2)
    crew = scores.summary(TEST, without, "harbours", "f1", "Crew")
    assert crew is not None
    assert format_summary(crew, "f1") == "41.0 ± 1.4"
    assert scores.summary(TEST, without, "nowhere", "f1") is None
    assert scores.num_gold(TEST, "harbours") == 1234
    assert scores.num_gold(TEST, "harbours", "Crew") == 234


def test_groups_keep_stages_splits_and_protocols_apart(results: Json, write_run: WriteRun) -> None:
    strict = [{**row, "protocol": "strict"} for row in results["rows"] if row["stage"] == "finetune"]
    results["rows"] += strict
    scores, _ = read(results, write_run)
    assert scores.task_groups() == (
        TEST,
        Group("finetune", "test", "strict"),
        Group("finetune", "dev", "conlleval entity"),
        Group("finetune", "dev", "strict"),
    )
    assert scores.lm_groups() == (Group("lm-score", "held-out", "held-out documents, fixed masks"),)


def test_one_score_given_twice_is_refused(results: Json, write_run: WriteRun) -> None:
    results["rows"].append(results["rows"][-1])
    with pytest.raises(DataError, match="two values") as caught:
        read(results, write_run)
    assert "seed 1" in str(caught.value)


def test_gold_counts_that_disagree_are_not_shown(results: Json, write_run: WriteRun) -> None:
    next(row for row in results["rows"] if row["dataset"] == "cargoes" and row["split"] == "test")["counts"]["gold"] = (
        98
    )
    scores, _ = read(results, write_run)
    assert scores.num_gold(TEST, "cargoes") is None


@pytest.mark.parametrize(
    ("change", "is_one"),
    [
        ({}, True),
        ({"vocabulary": "ships/nautical"}, False),
        ({"vocabulary_size": 9000}, False),
        ({"corpus": "ships/letters"}, False),
        ({"cell": {"pretraining.num_steps": 0, "corpus.max_documents": 10}}, False),
    ],
)
def test_losses_compare_within_one_vocabulary(results: Json, write_run: WriteRun, change: Json, is_one: bool) -> None:
    results["rows"][0] |= change
    scores, _ = read(results, write_run)
    assert scores.is_one_vocabulary(scores.lm_groups()[0]) is is_one


def test_the_best_mean() -> None:
    low, high = summarise({0: 0.5}), summarise({0: 0.6})
    assert best_means([low, high, None], "f1") == {"60.0"}
    assert best_means([low, high], "masked_lm_loss") == {"0.500"}
    assert best_means([high, None], "f1") == frozenset()
    assert best_means([low, high], "num_masked") == frozenset()
    assert best_means([high, summarise({0: 0.6001})], "f1") == frozenset()


def test_arms_follow_the_recipe_not_the_rows(results: Json, write_run: WriteRun) -> None:
    results["rows"].reverse()
    results["curves"] = []
    results["recipe"]["study"]["axes"]["pretraining.num_steps"] = [1500, 700, 0]
    _, arms = read(results, write_run)
    assert [arm.label for arm in arms] == ["num_steps=1500", "num_steps=700", "num_steps=0"]
    assert [arm.place for arm in arms] == [0, 1, 2]


def test_arms_of_one_label_are_told_apart(results: Json, write_run: WriteRun) -> None:
    for row in (*results["rows"], *results["curves"]):
        row["model"] = "mini"
    _, arms = read(results, write_run)
    assert [arm.label for arm in arms] == ["mini [pretraining.num_steps=0]", "mini [pretraining.num_steps=1500]"]


def test_a_single_arm_without_axes(results: Json, write_run: WriteRun) -> None:
    results["recipe"]["study"]["axes"] = {}
    results["curves"] = []
    results["rows"] = [{**row, "cell": {}, "model": "mini"} for row in results["rows"] if row["steps"] == 0]
    _, arms = read(results, write_run)
    assert [(arm.label, arm.place) for arm in arms] == [("mini", 0)]


def test_units() -> None:
    assert metric_facts("f1").format(0.71249) == "71.2"
    assert metric_facts("masked_lm_loss").format(3.45678) == "3.457"
    assert metric_facts("num_masked").format(12345.0) == "12,345"
    assert metric_facts("dev_f1").heading == "dev f1 (%)"
    assert metric_facts("span_loss").heading == "span loss (nats)"
    assert metric_facts("perplexity").format(31.4159) == "31.42"
    assert sort_metrics({"recall", "zeta", "f1", "alpha", "precision"}) == (
        "f1",
        "precision",
        "recall",
        "alpha",
        "zeta",
    )

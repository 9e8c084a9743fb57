from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from domainlm.study.report.arms import Arms
from domainlm.study.report.load import load_results
from domainlm.study.report.missing import find_missing
from domainlm.study.report.question import read_question

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]


def missing_from(results: Json, write_run: WriteRun) -> tuple[str, ...]:
    loaded = load_results(write_run(results))
    question = read_question(loaded.recipe)
    return find_missing(loaded, question, Arms(loaded, question))


def test_a_whole_run_misses_nothing(results: Json, write_run: WriteRun) -> None:
    assert missing_from(results, write_run) == ()


def test_a_run_in_the_middle(results: Json, write_run: WriteRun) -> None:
    results["rows"] = [
        row
        for row in results["rows"]
        if row["steps"] == 0 and (row["dataset"], row["seed"]) not in {("harbours", 1), ("cargoes", 0), ("cargoes", 1)}
    ]
    assert missing_from(results, write_run) == (
        "With num_steps=0: no scores on harbours for seed 1; cargoes.",
        "With num_steps=1500: no scores on harbours; cargoes.",
        "With num_steps=1500: no language-model scores.",
    )


def test_no_scores_of_a_model_that_was_not_trained_are_no_gap(results: Json, write_run: WriteRun) -> None:
    results["rows"] = [row for row in results["rows"] if (row["stage"], row["steps"]) != ("lm-score", 0)]
    assert missing_from(results, write_run) == ()


def test_where_arms_change_the_tasks_none_lacks_what_it_never_had(results: Json, write_run: WriteRun) -> None:
    there = {("harbours", 0, 0), ("cargoes", 1500, 0), ("cargoes", 1500, 1)}
    results["rows"] = [row for row in results["rows"] if (row["dataset"], row["steps"], row["seed"]) in there]
    loaded = load_results(write_run(results))
    arms = [{"name": "one", "set": {"tasks.0.folder": "cargoes"}}, {"name": "other", "set": {"tasks.0.name": "x"}}]
    recipe = {**loaded.recipe, "study": {"arms": arms}}
    assert not read_question(recipe).has_one_set_of_tasks
    arms[:] = [{"name": "one", "set": {"tasks.0.finetuning.num_epochs": 3}}]
    question = read_question(recipe)
    assert question.has_one_set_of_tasks
    question = replace(read_question(loaded.recipe), has_one_set_of_tasks=False)
    said = find_missing(loaded, question, Arms(loaded, question))
    assert [line for line in said if "language-model" not in line] == [
        "With num_steps=0: no scores on harbours for seed 1."
    ]


def test_nothing_yet(results: Json, write_run: WriteRun) -> None:
    results["rows"] = []
    assert missing_from(results, write_run) == ("No scores yet: nothing has been measured.",)


def test_failures_come_first(results: Json, write_run: WriteRun) -> None:
    cell = {"pretraining.num_steps": 1500}
    results["rows"] = [row for row in results["rows"] if (row["dataset"], row["steps"]) != ("cargoes", 1500)]
    results["failures"] = [
        {
            "stage": "finetune",
            "dataset": "cargoes",
            "seed": 0,
            "model": "",
            "cell": cell,
            "error": "loss is\nnot finite",
        }
    ]
    assert missing_from(results, write_run) == (
        "Failed: finetune on cargoes with num_steps=1500, seed 0: loss is not finite",
        "With num_steps=1500: no scores on cargoes.",
    )


def test_a_failure_that_names_its_arm_alone(results: Json, write_run: WriteRun) -> None:
    results["failures"] = [{"stage": "finetune", "task": "cargoes", "seed": 1, "arm": "large", "message": "no memory"}]
    assert missing_from(results, write_run)[0] == "Failed: finetune on cargoes with large, seed 1: no memory"


def test_without_axes_the_only_arm_is_asked(results: Json, write_run: WriteRun) -> None:
    results["recipe"]["study"] = {"axes": {}}
    results["curves"] = []
    results["rows"] = [
        {**row, "cell": {}, "model": "mini"}
        for row in results["rows"]
        if row["steps"] == 1500 and row["stage"] == "finetune" and row["dataset"] == "cargoes"
    ]
    assert missing_from(results, write_run) == ("With mini: no scores on harbours.", "No language-model scores.")

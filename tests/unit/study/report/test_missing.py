from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domainlm.study.report.aggregate import Scores
from domainlm.study.report.arms import Arms
from domainlm.study.report.early_stops import cells_not_made, early_stop_sentences
from domainlm.study.report.load import load_results
from domainlm.study.report.missing import find_missing
from domainlm.study.report.question import read_question
from domainlm.study.report.sections import build_report
from domainlm.study.report.tables import score_tables

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]


def missing_from(results: Json, write_run: WriteRun) -> tuple[str, ...]:
    loaded = load_results(write_run(results))
    question = read_question(loaded.recipe, cells_not_made(loaded))
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


def test_a_setting_that_failed_is_no_model_of_its_own(results: Json, write_run: WriteRun) -> None:
    rate = "finetuning.optimizer.learning_rate"
    results["recipe"]["study"] = {"axes": {rate: [1e-5, 3e-5]}, "select": [rate]}
    results["rows"] = [row | {"cell": {}, "model": "ships"} for row in results["rows"] if row["steps"]]
    results["curves"] = []
    failure = {"stage": "finetune", "error": "full", "dataset": "harbours", "seed": 1, "model": "ships", "cell": {}}
    results["failures"] = [failure | {"settings": {rate: 1e-5}}]
    assert missing_from(results, write_run) == (
        "Failed: finetune on harbours with ships, learning_rate=1e-05, seed 1: full",
    )


def test_a_data_set_without_a_split_to_score_is_no_gap(results: Json, write_run: WriteRun) -> None:
    results["rows"] = [row for row in results["rows"] if row["dataset"] != "cargoes"]
    assert len(missing_from(results, write_run)) == 2
    results["unscored"] = ["cargoes"]
    assert missing_from(results, write_run) == ()


@pytest.mark.parametrize("kept", [[], ["harbours"]])
def test_the_report_names_data_sets_without_a_split_to_score(
    results: Json, write_run: WriteRun, kept: list[str]
) -> None:
    results["rows"] = [row for row in results["rows"] if row["stage"] == "lm-score" or row["dataset"] in kept]
    results["unscored"] = [name for name in ("harbours", "cargoes") if name not in kept]
    report = build_report(load_results(write_run(results)))
    (section,) = [each for each in report.sections if each.title == "Task scores"]
    names = "cargoes" if kept else "harbours and cargoes"
    assert section.paragraphs == (f"The recipe names no split to score of {names}: neither dev nor test.",)
    assert report.missing == ()


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


STEPS = "pretraining.scored_steps"


def early_stopped(results: Json, left_out: dict[float, Json]) -> Json:
    """The study with its two models as steps 500 and 1500 of one pretraining, of which more were asked for."""
    axes = {"pretraining.num_steps": [4000], "finetuning.optimizer.learning_rate": [0.1, 0.2]}
    study = {"axes": axes, "select": ["finetuning.optimizer.learning_rate"]}
    results["recipe"] |= {"study": study, "pretraining": {"num_steps": 4000, "scored_steps": [500, 1500, 3000]}}
    for row in results["rows"]:
        row["cell"] = {"pretraining.num_steps": 4000, STEPS: 1500 if row["steps"] else 500}
    scores = [{"step": 500, "value": 0.5}, {"step": 1500, "value": 0.4}]
    common = {"task": "harbours", "metric": "f1", "dev_scores": scores, "best_step": 500}
    results["early_stops"] = [
        {"cell": {"pretraining.num_steps": 4000, "finetuning.optimizer.learning_rate": rate}, **common, **stop}
        for rate, stop in left_out.items()
    ]
    results["curves"] = []
    return results


def test_steps_that_an_early_stop_left_out_are_no_gap(results: Json, write_run: WriteRun) -> None:
    stops: dict[float, Json] = {0.1: {"steps_not_made": [3000, 4000]}, 0.2: {"steps_not_made": [1500, 3000, 4000]}}
    loaded = load_results(write_run(early_stopped(results, stops)))
    question = read_question(loaded.recipe, cells_not_made(loaded))
    arms = Arms(loaded, question)
    assert find_missing(loaded, question, arms) == ()
    assert [arm.label for arm in arms] == ["num_steps=0", "num_steps=1500"]
    first, second = early_stop_sentences(loaded)
    assert first == (
        "Pretraining of num_steps=4000, learning_rate=0.1 was ended early: F1 of harbours on dev was best after step "
        "500 (50.0) and no better after step 1500, so there is no model of steps 3000 and 4000."
    )
    assert "learning_rate=0.2 was ended" in second


def test_steps_that_lack_seeds_are_told(results: Json, write_run: WriteRun) -> None:
    loaded = load_results(write_run(early_stopped(results, {0.1: {"missing_seeds": {"3000": [1, 2]}}})))
    (sentence,) = early_stop_sentences(loaded)
    assert sentence == (
        "Whether pretraining of num_steps=4000, learning_rate=0.1 was to end early was decided without step 3000 (no "
        "seeds 1 and 2), since means over other seeds cannot be compared."
    )


def test_a_pretraining_that_may_still_end_early_lacks_its_steps(results: Json, write_run: WriteRun) -> None:
    loaded = load_results(write_run(early_stopped(results, {0.1: {}})))
    assert list(early_stop_sentences(loaded)) == []
    assert len(missing_from(results, write_run)) == 4


def test_an_arm_that_measures_is_not_asked_for_scores(results: Json, write_run: WriteRun) -> None:
    arms = [
        {"name": "short", "set": {"pretraining.num_steps": 0}},
        {"name": "long", "set": {}},
        {"name": "rates", "set": {"measure": {"break_up_rate": True}}},
    ]
    results["recipe"]["study"] = {"arms": arms}
    results["curves"] = []
    for row in results["rows"]:
        row["cell"] = {"arm": "long" if row["steps"] else "short"}
        row["model"] = row["cell"]["arm"]
    assert missing_from(results, write_run) == ("With rates: nothing was measured.",)
    rate = {"stage": "measure", "metric": "break_up_rate", "value": 1.5, "seed": 0, "dataset": "harbours"}
    results["rows"].append({**rate, "split": "train", "protocol": "counted", "cell": {"arm": "rates"}})
    assert missing_from(results, write_run) == ()
    loaded = load_results(write_run(results))
    question = read_question(loaded.recipe)
    found = Arms(loaded, question)
    tables = score_tables(Scores(loaded.rows, found, question), question, found)
    shown = [[row[0].text for row in table.rows] for table in tables]
    assert shown == [["short", "long"], ["short", "long"], ["rates"]]
    results["rows"] = results["rows"][-1:]
    assert len(missing_from(results, write_run)) == 3

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.study.report.content import Table
from domainlm.study.report.load import load_results
from domainlm.study.report.sections import build_report

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]


def _table(out: Path) -> Table | None:
    """The table of means."""
    report = build_report(load_results(out))
    return next((section.tables[0] for section in report.sections if section.title == "Mean over data sets"), None)


def _cells(out: Path) -> list[list[str]]:
    table = _table(out)
    assert table is not None
    return [[cell.text for cell in row] for row in table.rows]


def _add_units(results: Json, out: Path, num_units: int = 60) -> None:
    """Say of every test score what it was counted from: documents with ten things to find, half or more found."""
    for row in results["rows"]:
        if row["stage"] == "finetune" and row["split"] == "test" and not row["type"]:
            row["units"] = f"logs/units-{row['dataset']}-{row['steps']}-{row['seed']}.json"
            names = [f"document {number}" for number in range(num_units)]
            kinds = ["document" if row["dataset"] == "harbours" else "block"]
            units = {"format": 2, "protocol": "exact character span", "kinds": kinds}
            units |= {"data": row["dataset"], "units": names}
            correct = 5 if row["steps"] == 0 else 6
            units |= {"counts": [[10, 10, correct]] * num_units}
            (out / row["units"]).write_text(json.dumps(units), encoding="utf-8")
    (out / "results.json").write_text(json.dumps(results), encoding="utf-8")


def test_means_by_hand(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    # Seed 0: (64.6 + 50.0) / 2 = 57.3, seed 1: (65.4 + 54.0) / 2 = 59.7; then (70.8 + 53.0) / 2 and (71.6 + 55.0) / 2.
    assert _cells(out) == [
        ["num_steps=0", "58.5 ± 1.7", "–", "–", "–", "2"],
        ["num_steps=1500", "62.6 ± 1.0", "+4.1", "–", "–", "2"],
    ]
    assert build_report(load_results(out)).answer[0] == (
        "Averaged over the 2 data sets, test scores are highest with num_steps=1500: 62.6 ± 1.0, 4.1 points above "
        "num_steps=0 (not tested)."
    )


def test_documents_of_all_data_sets_are_tested_together(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    _add_units(results, out)
    # What the scores are counted from here gives another difference than they do.
    assert _cells(out)[1][2:5] == ["+4.1", "+10.0 to +10.0 around +10.0", "<0.001"]
    table = _table(out)
    assert table is not None
    assert "Where it stands around a difference of its own, that is the one of the scores that p is" in table.caption
    assert (
        "over the documents and blocks of ten sentences (where the files do not tell documents apart) within each data "
        "set, seeds pooled, entities counted as exact character spans, which says nothing of other seeds, nor of "
        "pretrainings other than the one of each model."
    ) in table.caption
    assert build_report(load_results(out)).answer[0].endswith("(beyond chance, p < 0.001; one pretraining).")


def test_an_interval_of_the_printed_difference_stands_alone(results: Json, write_run: WriteRun) -> None:
    for row in results["rows"]:
        if row["stage"] == "finetune":
            row["value"] = 0.5 if row["steps"] == 0 else 0.6
    out = write_run(results)
    _add_units(results, out)
    assert _cells(out)[1][2:5] == ["+10.0", "+10.0 to +10.0", "<0.001"]
    table = _table(out)
    assert table is not None
    assert "around" not in table.caption


def test_too_few_units_have_no_interval(results: Json, write_run: WriteRun) -> None:
    """Of a single block of sentences every draw is the same, which would look as if there were no doubt."""
    out = write_run(results)
    _add_units(results, out, num_units=1)
    _, (*_, interval, p_value, _) = _cells(out)
    assert interval == "–"
    assert float(p_value) > 0.4
    table = _table(out)
    assert table is not None
    assert "No interval where a data set has fewer than 6 units." in table.caption
    assert "95 % bootstrap" not in table.caption


@pytest.mark.parametrize(("steps", "said"), [((500, 1500), "; one pretraining each)"), ((0, 0), "p < 0.001)")])
def test_the_answer_says_that_each_model_was_pretrained_once(
    results: Json, write_run: WriteRun, steps: tuple[int, int], said: str
) -> None:
    out = write_run(results)
    _add_units(results, out)
    for row in results["rows"]:
        row["steps"] = steps[row["steps"] > 0]
    (out / "results.json").write_text(json.dumps(results), encoding="utf-8")
    assert build_report(load_results(out)).answer[0].endswith(f"{said}.")


def test_the_first_arm_may_be_the_best(results: Json, write_run: WriteRun) -> None:
    for row in results["rows"]:
        row["value"] = 1 - row["value"]
    answer = build_report(load_results(write_run(results))).answer
    assert answer[0] == "Averaged over the 2 data sets, test scores are highest with num_steps=0: 41.5 ± 1.7."


def test_an_arm_without_all_scores_is_left_out(results: Json, write_run: WriteRun) -> None:
    kept = [row for row in results["rows"] if (row["dataset"], row["steps"]) != ("cargoes", 1500)]
    other = {"model": "num_steps=9", "steps": 9, "cell": {"pretraining.num_steps": 9}}
    out = write_run(results | {"rows": kept + [row | other for row in kept if row["steps"] == 0]})
    assert [row[0] for row in _cells(out)] == ["num_steps=0", "num_steps=9"]
    table = _table(out)
    assert table is not None
    assert "Left out for lack of scores: num_steps=1500." in table.caption


def test_seeds_that_not_all_data_sets_and_models_have_do_not_count(results: Json, write_run: WriteRun) -> None:
    rows = [row for row in results["rows"] if (row["dataset"], row["steps"], row["seed"]) != ("cargoes", 1500, 1)]
    out = write_run(results | {"rows": rows})
    assert _cells(out) == [
        ["num_steps=0", "57.3", "–", "–", "–", "1"],
        ["num_steps=1500", "61.9", "+4.6", "–", "–", "1"],
    ]
    table = _table(out)
    assert table is not None
    assert "Seeds left out, since a data set or a model lacks them: 1." in table.caption


def test_a_difference_is_of_the_seeds_that_its_test_looked_at(results: Json, write_run: WriteRun) -> None:
    """Seed 1 of the first model is far ahead, and the other model was not trained with it."""
    rows = [row for row in results["rows"] if (row["steps"], row["seed"]) != (1500, 1)]
    for row in rows:
        row["value"] = 0.99 if row["seed"] == 1 else row["value"]
    changed = results | {"rows": rows}
    out = write_run(changed)
    _add_units(changed, out)
    _, (_, mean, difference, interval, p_value, _) = _cells(out)
    assert (mean, difference, interval, p_value) == ("61.9", "+4.6", "+10.0 to +10.0 around +10.0", "<0.001")
    sentence = "Averaged over the 2 data sets, test scores are highest with num_steps=1500: 61.9, 4.6 points above"
    assert build_report(load_results(out)).answer[0].startswith(sentence)
    (section,) = (each for each in build_report(load_results(out)).sections if each.title == "Task scores")
    assert not any(cell.mark for table in section.tables for row in table.rows for cell in row)


def test_models_without_a_common_seed_keep_their_own(results: Json, write_run: WriteRun) -> None:
    out = write_run(results | {"rows": [row for row in results["rows"] if row["seed"] == (row["steps"] > 0)]})
    # The halves of 64.6 + 50.0 and of 71.6 + 55.0.
    assert [row[1:] for row in _cells(out)] == [["57.3", "–", "–", "–", "1"], ["63.3", "+6.0", "–", "–", "1"]]
    table = _table(out)
    assert table is not None
    assert "no seed is common to all models" in table.caption


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda row: row["dataset"] != "cargoes", id="one data set"),
        pytest.param(lambda row: row["steps"] == 0, id="one arm"),
        pytest.param(lambda row: row["metric"] == "f1" and row.update(metric="matthews") is None, id="no percentage"),
        pytest.param(lambda row: row.update(signature=f"v:{row['steps']}|seeds:0") is None, id="counted in two ways"),
    ],
)
def test_no_mean_where_there_is_none_to_take(
    results: Json, write_run: WriteRun, change: Callable[[Json], bool]
) -> None:
    rows = [row for row in results["rows"] if change(row)]
    assert _table(write_run(results | {"rows": rows})) is None

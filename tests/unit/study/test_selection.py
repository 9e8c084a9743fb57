"""Which settings dev chooses, by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from domainlm.study.report.records import CandidateRecord
from domainlm.study.report.tables import candidate_table
from domainlm.study.selection import select_settings

RATE, STEPS = "finetuning.optimizer.learning_rate", "pretraining.num_steps"
# Mean of seeds 0 and 1 on dev by data set, steps and learning rate; on test the other rate is better.
DEV = {
    ("harbours", 0, 0.1): (0.5, 0.7), ("harbours", 0, 0.2): (0.5, 0.6),
    ("harbours", 9, 0.1): (0.7, 0.7), ("harbours", 9, 0.2): (0.8, 0.7),
    ("cargoes", 0, 0.1): (0.4, 0.4), ("cargoes", 0, 0.2): (0.4, 0.4),
    ("cargoes", 9, 0.1): (0.1, 0.1), ("cargoes", 9, 0.2): (0.2, 0.2),
}  # fmt: skip
SCORED = [("recall", "conlleval", ""), ("f1", "conlleval", ""), ("f1", "strict", ""), ("f1", "conlleval", "ship")]


def _label(cell: Mapping[str, Any]) -> str:
    return f"steps={cell[STEPS]}"


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for (dataset, steps, rate), values in DEV.items():
        common = {"cell": {STEPS: steps, RATE: rate}, "model": f"{steps}/{rate}"}
        rows.append({"stage": "lm-score", "dataset": "logs", "split": "held-out", "metric": "masked_lm_loss",
                     "protocol": "", "value": 2.0, "seed": 0, **common})  # fmt: skip
        for seed, value in enumerate(values):
            for split, score in (("dev", value), ("test", 1 - value)):
                for metric, protocol, type_ in SCORED:
                    shown = score if (metric, protocol, type_) == SCORED[1] else 1 - score
                    scored = {"metric": metric, "protocol": protocol, "type": type_, "value": shown}
                    where = {"stage": "finetune", "dataset": dataset, "split": split, "seed": seed}
                    rows.append({**where, **scored, **common})
    return rows


def test_dev_chooses_for_each_data_set_and_model() -> None:
    curves = [
        {"stage": "finetune", "dataset": dataset, "seed": 0, "cell": {STEPS: steps, RATE: rate}, "file": f"{rate}"}
        for dataset, steps, rate in DEV
    ]
    found = select_settings(_rows(), curves, [], [RATE], _label)
    chosen = {(row["dataset"], row["cell"][STEPS]): row["settings"][RATE] for row in found["rows"] if "settings" in row}
    # Of equal ones (cargoes, 0 steps) the first.
    assert chosen == {("harbours", 0): 0.1, ("harbours", 9): 0.2, ("cargoes", 0): 0.1, ("cargoes", 9): 0.2}
    scored = [row for row in found["rows"] if row["stage"] == "finetune"]
    assert len(scored) == 4 * 2 * 2 * 4
    assert all(row["cell"] == {STEPS: row["cell"][STEPS]} for row in found["rows"])
    assert {row["model"] for row in found["rows"]} == {"steps=0", "steps=9"}
    # The language models of cells that share one are one row each.
    assert len(found["rows"]) - len(scored) == 2
    assert [curve["file"] for curve in found["curves"]] == ["0.1", "0.2", "0.1", "0.2"]


def test_every_candidate_is_told_with_its_score_on_dev_alone() -> None:
    candidates = select_settings(_rows(), [], [], [RATE], _label)["candidates"]
    assert len(candidates) == 8
    assert sum(each["chosen"] for each in candidates) == 4
    first = candidates[0]
    assert (first["metric"], first["protocol"], first["num_seeds"]) == ("f1", "conlleval", 2)
    assert first["dev_mean"] == 0.6
    assert first["model"] == "steps=0"


def test_failures_are_of_the_cells_that_rows_are_of() -> None:
    """Else a report takes what was tried for a model of its own, without scores. What cells share failed once."""
    failures = [
        {"stage": stage, "error": "e", "dataset": dataset, "seed": seed, "cell": {STEPS: 9, RATE: rate}, "model": "?"}
        for stage, dataset, seed in (("pretrain", "", None), ("finetune", "harbours", 1))
        for rate in (0.1, 0.2)
    ]
    found = select_settings(_rows(), [], failures, [RATE], _label)["failures"]
    assert [(each["stage"], each["model"], each["cell"], each.get("settings")) for each in found] == [
        ("pretrain", "steps=9", {STEPS: 9}, None),
        ("finetune", "steps=9", {STEPS: 9}, {RATE: 0.1}),
        ("finetune", "steps=9", {STEPS: 9}, {RATE: 0.2}),
    ]


def test_a_candidate_whose_seeds_failed_is_not_chosen_over_whole_ones() -> None:
    """Of harbours at 9 steps rate 0.2 was the better one; without seed 1 its mean is higher still."""
    failed = {("harbours", 9, 0.2, 1), ("cargoes", 0, 0.1, 0), ("cargoes", 0, 0.2, 1)}
    rows = [
        row
        for row in _rows()
        if row["stage"] != "finetune"
        or (row["dataset"], row["cell"][STEPS], row["cell"][RATE], row["seed"]) not in failed
    ]
    found = select_settings(rows, [], [], [RATE], _label)
    told = {(each["dataset"], each["cell"][STEPS], each["settings"][RATE]): each for each in found["candidates"]}
    left_out = told["harbours", 9, 0.2]
    assert left_out["dev_mean"] == 0.8
    assert (left_out["chosen"], left_out["left_out"], left_out["missing_seeds"]) == (False, True, [1])
    assert told["harbours", 9, 0.1]["chosen"]
    assert {row["settings"][RATE] for row in found["rows"] if row.get("dataset") == "harbours"} == {0.1}
    # Where none has all seeds, those that have the most are compared: here both, of which the first is chosen.
    assert [told["cargoes", 0, rate]["chosen"] for rate in (0.1, 0.2)] == [True, False]
    assert [told["cargoes", 0, rate]["missing_seeds"] for rate in (0.1, 0.2)] == [[0], [1]]
    assert sum("left_out" in each for each in told.values()) == 1
    table = candidate_table([CandidateRecord.model_validate_json(json.dumps(each)) for each in found["candidates"]])
    assert "1, without seed 1: left out" in {row[-1].text for row in table.rows}
    assert "Left out of the choice are settings that lack seeds" in table.caption

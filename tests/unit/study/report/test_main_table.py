from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import ReferenceRow, ReferenceTable, TableLayout
from domainlm.study.report.content import Section, Table
from domainlm.study.report.load import load_results
from domainlm.study.report.main_table import quoted
from domainlm.study.report.reference import reference_as_dict
from domainlm.study.report.sections import build_report

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]


def reference(**changes: Any) -> ReferenceTable:  # noqa: ANN401 - fields of the table
    def figures(dataset: str, steps: int | None, name: str, f1: float) -> ReferenceRow:
        where: dict[str, str | int] = {"dataset": dataset} | ({} if steps is None else {"steps": steps})
        labels = {"dataset": dataset.upper(), "arm": name}
        return ReferenceRow(labels=labels, where=where, values={"f1": f1}, is_alone=steps is None)

    fields: Json = {
        "name": "ships/table1",
        "description": "ships",
        "title": "Harbours and cargoes",
        "source": "Mariner 2020",
        "rows": (
            figures("harbours", None, "Raft", 60.0),
            figures("harbours", 0, "Tug", 64.25),
            figures("cargoes", 1500, "Ferry", 55.5),
            figures("cargoes", None, "Raft", 51.0),
            figures("lighthouses", 0, "Tug", 77.0),
        ),
        "layout": TableLayout(rows=("dataset", "arm"), metrics=("precision", "f1")),
    }
    return ReferenceTable(**fields | changes)


def main_table(results: Json, write_run: WriteRun, table: ReferenceTable) -> Table:
    results["reference"] = reference_as_dict(table)
    report = build_report(load_results(write_run(results)))
    section: Section = report.sections[0]
    assert section.title == "Results"
    return section.tables[0]


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_a_publications_figures_stand_beside_ours(results: Json, write_run: WriteRun) -> None:
    table = main_table(results, write_run, reference())
    assert table.groups == (("precision (%)", 1), ("F1 (%)", 2))
    assert table.head == ("data set", "model", "ours", "ours", "reference")
    assert texts(table) == [
        ["harbours", "Raft", "–", "–", "60.0"],
        ["", "num_steps=0", "67.0 ± 0.6", "65.0 ± 0.6", "64.25"],
        ["", "num_steps=1500", "73.2 ± 0.6", "71.2 ± 0.6", "–"],
        ["cargoes", "num_steps=1500", "56.0 ± 1.4", "54.0 ± 1.4", "55.5"],
        ["", "Raft", "–", "–", "51.0"],
        ["", "num_steps=0", "54.0 ± 2.8", "52.0 ± 2.8", "–"],
        ["lighthouses", "Tug", "–", "–", "77.0"],
    ]
    assert table.rows[1][1].fine_print == ("reference: Tug",)
    assert table.rows[0][1].is_quoted
    assert not table.rows[1][1].is_quoted
    assert "Our figures beside those of Mariner 2020" in table.caption


def test_best_means_are_bold_within_their_data_set_alone(results: Json, write_run: WriteRun) -> None:
    table = main_table(results, write_run, reference())
    bold = [[cell.text for cell in row if cell.is_best] for row in table.rows]
    assert bold == [[], [], ["73.2 ± 0.6", "71.2 ± 0.6"], ["56.0 ± 1.4", "54.0 ± 1.4"], [], [], []]


def test_data_sets_across(results: Json, write_run: WriteRun) -> None:
    layout = TableLayout(rows=("arm",), columns=("dataset",), metrics=("f1",), headings={"arm": "steps"})
    table = main_table(results, write_run, reference(layout=layout))
    assert table.groups == (("harbours", 2), ("cargoes", 2), ("lighthouses", 2))
    assert table.flat_head[:2] == ("steps", "harbours: ours")
    assert texts(table)[:2] == [
        ["Raft", "–", "60.0", "–", "51.0", "–", "–"],
        ["num_steps=0", "65.0 ± 0.6", "64.25", "52.0 ± 2.8", "–", "–", "–"],
    ]


def test_the_recipes_layout_goes_before_the_publications(results: Json, write_run: WriteRun) -> None:
    results["recipe"]["report"] = {"layout": {"rows": ["steps"], "columns": ["dataset"], "metrics": ["recall"]}}
    table = main_table(results, write_run, reference())
    assert ["1,500", "69.2 ± 0.6", "52.0 ± 1.4"] in [[*row[:3]] for row in texts(table)]


def test_a_layout_that_leaves_models_together_does_not_average_them(results: Json, write_run: WriteRun) -> None:
    layout = TableLayout(rows=("dataset",), metrics=("f1",))
    table = main_table(results, write_run, reference(layout=layout))
    harbours = next(row for row in table.rows if row[0].text == "harbours")
    assert (harbours[1].text, harbours[1].fine_print) == ("64.6 to 71.6", ("2 models",))
    # The four scores are of two seeds of two models: there is neither a mean nor an n of 4.
    assert "Where several models share a cell, the range of all their scores." in table.caption
    assert "mean ±" not in table.caption
    assert "n = " not in table.caption


def test_losses_of_different_vocabularies_have_no_best(results: Json, write_run: WriteRun) -> None:
    layout = TableLayout(rows=("arm",), metrics=("masked_lm_loss", "bits_per_character"))
    bits = [row | {"metric": "bits_per_character"} for row in results["rows"] if row["metric"] == "masked_lm_loss"]
    results["rows"] += bits
    for num_vocabularies, num_best in ((1, 2), (2, 1)):
        for row in results["rows"]:
            row["vocabulary_id"] = "one" if num_vocabularies == 1 else str(row["steps"])
        table = main_table(results, write_run, reference(layout=layout))
        assert sum(cell.is_best for row in table.rows for cell in row) == num_best
        assert ("NOT COMPARABLE: scores per sub-token on core/text" in table.caption) == (num_vocabularies == 2)


def test_two_models_with_a_seed_each_are_not_taken_for_seeds_of_one(results: Json, write_run: WriteRun) -> None:
    results["rows"] = [
        row for row in results["rows"] if row["stage"] == "lm-score" or bool(row["steps"]) == row["seed"]
    ]
    table = main_table(results, write_run, reference(layout=TableLayout(rows=("dataset",), metrics=("f1",))))
    harbours = next(row for row in table.rows if row[0].text == "harbours")
    assert (harbours[1].text, harbours[1].fine_print) == ("64.6 to 71.6", ("2 models",))


def test_different_signatures_are_said_and_not_compared(results: Json, write_run: WriteRun) -> None:
    for row in results["rows"]:
        if row["stage"] == "finetune":
            other = row["dataset"] == "cargoes" and row["steps"] == 0
            row["signature"] = f"conlleval:{2 if other else 1}|protocol:conlleval entity|split:test|seeds:{row['seed']}"
    table = main_table(results, write_run, reference())
    assert "NOT COMPARABLE: the scores on cargoes have different signatures: conlleval:1|" in table.caption
    assert not any(cell.is_best for row in table.rows[3:] for cell in row)


def test_scores_on_the_split_that_chose_the_epoch_are_said_to_be_flattered(results: Json, write_run: WriteRun) -> None:
    on_dev = reference(layout=TableLayout(rows=("arm",), metrics=("f1",), where={"split": "dev"}))
    flattered = "An epoch chosen on dev looks better there than it is."
    assert flattered in main_table(results, write_run, on_dev).caption
    assert flattered not in main_table(results, write_run, reference()).caption
    results["recipe"]["finetuning"]["choose"] = "last"
    assert flattered not in main_table(results, write_run, on_dev).caption


def test_means_below_the_best_by_more_than_chance_are_marked(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    for row in results["rows"]:
        if row["dataset"] == "harbours" and row["split"] == "test" and not row["type"]:
            row["units"] = f"logs/units-{row['steps']}-{row['seed']}.json"
            correct = 7 if row["steps"] == 1500 else 5
            content = {"format": 2, "protocol": row["protocol"], "kinds": ["question"], "data": "d"}
            content["units"] = [f"u{n}" for n in range(60)]
            (out / row["units"]).write_text(json.dumps(content | {"counts": [[10, 10, correct]] * 60}))
    table = main_table(results, write_run, reference())
    marked = [[cell.text for cell in row if cell.mark == "*"] for row in table.rows]
    assert marked == [[], ["67.0 ± 0.6", "65.0 ± 0.6"], [], [], [], [], []]
    assert "paired approximate randomisation over the questions of the split, seeds pooled, which" in table.caption
    assert "adjusted for all 2 pairs of means in the columns of this table (Holm)" in table.caption
    assert "Some comparisons could not be tested" in table.caption


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (90.0, "f1", "90.0"),
        (89.37, "f1", "89.37"),
        (3.012, "break_up_rate", "3.012"),
        (0.4, "label_bias", "0.4"),
        (87599, "num_examples", "87,599"),
        (4.5e9, "num_words", "4,500,000,000"),
    ],
)
def test_figures_are_printed_as_the_publication_has_them(value: float, metric: str, text: str) -> None:
    assert quoted(value, metric) == text


def test_no_seeds_are_said_of_counts(results: Json, write_run: WriteRun) -> None:
    common = {"stage": "measure", "task": "", "split": "train", "protocol": "counted", "seed": 0, "dataset": "harbours"}
    results["rows"] = [
        common | {"metric": "break_up_rate", "value": value, "model": name, "cell": {"arm": name}}
        for name, value in (("general", 3.012), ("own", 1.478))
    ]
    layout = TableLayout(rows=("arm",), columns=("dataset",), metrics=("break_up_rate",))
    rows = (ReferenceRow(labels={}, where={"arm": "own"}, values={"break_up_rate": 1.478}),)
    table = main_table(results, write_run, reference(layout=layout, rows=rows))
    assert texts(table) == [["own", "1.478", "1.478"], ["general", "3.012", "–"]]
    assert table.rows[0][1].is_best
    assert "seeds" not in table.caption

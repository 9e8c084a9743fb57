from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import Claim, Finding, ReferenceRow, ReferenceTable, TableLayout
from domainlm.study.report.content import Section, Table
from domainlm.study.report.findings import judge_findings
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


def test_different_signatures_are_said_and_not_compared(results: Json, write_run: WriteRun) -> None:
    for row in results["rows"]:
        if row["stage"] == "finetune":
            other = row["dataset"] == "cargoes" and row["steps"] == 0
            row["signature"] = f"conlleval:{2 if other else 1}|protocol:conlleval entity|split:test|seeds:{row['seed']}"
    table = main_table(results, write_run, reference())
    assert "NOT COMPARABLE: the scores on cargoes have different signatures: conlleval:1|" in table.caption
    assert not any(cell.is_best for row in table.rows[3:] for cell in row)


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


def verdicts(results: Json, write_run: WriteRun, *claims: Claim) -> tuple[str, list[str]]:
    table = reference(findings=(Finding(statement="So it was.", claims=claims),))
    results["reference"] = reference_as_dict(table)
    (judged,) = judge_findings(load_results(write_run(results)), {})
    return judged.verdict, [each.state for each in judged.comparisons]


def near(within: float) -> Claim:
    return Claim(
        metric="f1", first={"steps": 1500, "dataset": "harbours"}, second=71.8, relation="equal", within=within
    )


MORE: Json = {"first": {"steps": 1500}, "second": {"steps": 0}}
POOLED: Json = {
    "first": {"steps": 1500, "dataset": "harbours"},
    "second": {"steps": (0, 1500), "dataset": "harbours"},
}


@pytest.mark.parametrize(
    ("claims", "verdict", "states"),
    [
        ((Claim(metric="f1", **MORE),), "held in direction; too few seeds to test", ["untested", "untested"]),
        (
            (Claim(metric="f1", relation="lower", **MORE),),
            "not held in direction; too few seeds to test",
            ["opposite_untested", "opposite_untested"],
        ),
        ((Claim(metric="mrr", **MORE),), "not measured here", []),
        (
            (Claim(metric="f1", **MORE), Claim(metric="recall", relation="lower", **MORE)),
            "held in part: 2 of 4 comparisons agree; too few seeds to test",
            ["untested", "untested", "opposite_untested", "opposite_untested"],
        ),
        # 71.2 on harbours is within 1 % of 71.8 (0.83 %), not within 0.5 %
        ((near(0.01),), "held in numbers; equality is not tested", ["untested"]),
        ((near(0.005),), "not held in numbers; equality is not tested", ["opposite_untested"]),
        (
            (Claim(metric="f1", **POOLED),),
            "held in direction; pooled over several models: not tested",
            ["untested"],
        ),
        (
            (Claim(metric="f1", **POOLED), Claim(metric="f1", first={"steps": 1500}, second=50.0)),
            "held in direction; too few seeds to test; pooled over several models: not tested",
            ["untested", "untested", "untested"],
        ),
        # 71.2 - 65.0 on harbours is more than 54.0 - 52.0 on cargoes
        (
            (
                Claim(
                    metric="f1",
                    first={"dataset": "harbours", "steps": 1500},
                    second={"dataset": "harbours", "steps": 0},
                    exceeds=({"dataset": "cargoes", "steps": 1500}, {"dataset": "cargoes", "steps": 0}),
                    each=(),
                ),
            ),
            "held in direction; too few seeds to test",
            ["untested"],
        ),
    ],
)
def test_findings_are_judged_from_the_numbers(
    results: Json, write_run: WriteRun, claims: tuple[Claim, ...], verdict: str, states: list[str]
) -> None:
    assert verdicts(results, write_run, *claims) == (verdict, states)


def test_where_both_sides_are_the_same_nothing_is_found(results: Json, write_run: WriteRun) -> None:
    for row in results["rows"]:
        if row["dataset"] == "cargoes" and row["metric"] == "f1":
            row["value"] = 0.5
    higher = Claim(metric="f1", **MORE)
    assert verdicts(results, write_run, higher) == (
        "held in part: 1 of 2 comparisons agree; too few seeds to test",
        ["untested", "tie"],
    )
    for row in results["rows"]:
        if row["metric"] == "f1":
            row["value"] = 0.5
    assert verdicts(results, write_run, higher) == (
        "undecided: there is no difference in any comparison",
        ["tie", "tie"],
    )


def test_with_six_seeds_a_finding_can_hold_beyond_chance(results: Json, write_run: WriteRun) -> None:
    rows = [
        row for row in results["rows"] if row["dataset"] == "harbours" and row["split"] == "test" and not row["type"]
    ]
    results["rows"] = [
        {**row, "seed": seed, "value": row["value"] + seed / 1000}
        for row in rows
        if row["seed"] == 0
        for seed in range(6)
    ]
    assert verdicts(results, write_run, Claim(metric="f1", **MORE)) == ("held", ["held"])
    less = Claim(metric="f1", relation="lower", **MORE)
    assert verdicts(results, write_run, less) == ("not held", ["opposite"])


def test_a_finding_is_judged_by_the_seeds_that_both_sides_have(results: Json, write_run: WriteRun) -> None:
    """Seed 1 of the smaller model is far ahead, and the larger one was not trained with it."""
    results["rows"] = [row for row in results["rows"] if (row["steps"], row["seed"]) != (1500, 1)]
    for row in results["rows"]:
        row["value"] = 0.99 if row["seed"] == 1 else row["value"]
    claim = Claim(metric="f1", **MORE)
    assert verdicts(results, write_run, claim)[1] == ["untested", "untested"]
    (judged,) = judge_findings(load_results(write_run(results)), {})
    means = [(each.first, each.second, each.difference) for each in judged.comparisons]
    assert means == [pytest.approx((0.708, 0.646, 0.062)), pytest.approx((0.53, 0.5, 0.03))]


@pytest.mark.parametrize(
    ("relation", "verdict", "state"),
    [
        ("higher", "held in direction; beyond chance in 0 of 1 comparisons", "chance"),
        ("lower", "not held in direction; beyond chance in 0 of 1 comparisons", "opposite_chance"),
    ],
)
def test_what_is_not_so_is_as_open_to_chance_as_what_is(
    results: Json, write_run: WriteRun, relation: str, verdict: str, state: str
) -> None:
    """Of six seeds two are against the four others."""
    rows = [row for row in results["rows"] if row["dataset"] == "harbours" and row["split"] == "test"]
    results["rows"] = [
        {**row, "seed": seed, "value": 0.5 + (row["steps"] == 1500) * (0.1 if seed < 4 else -0.1)}
        for row in rows
        if row["seed"] == 0 and not row["type"]
        for seed in range(6)
    ]
    claim = Claim(metric="f1", relation=relation, **MORE)  # type: ignore[arg-type]
    assert verdicts(results, write_run, claim) == (verdict, [state])


def test_a_claim_of_one_protocol_counts_one_split(results: Json, write_run: WriteRun) -> None:
    """Scores of dev and of another protocol, far apart, are left alone."""
    finetuned = [row for row in results["rows"] if row["stage"] == "finetune" and row["split"] == "test"]
    results["rows"] += [{**row, "protocol": "strict", "value": row["value"] / 2} for row in finetuned]
    results["rows"] += [{**row, "split": "dev", "protocol": "strict", "value": 0.9} for row in finetuned]
    first, second = ({"steps": steps, "dataset": "harbours", "protocol": "strict"} for steps in (1500, 0))
    assert verdicts(results, write_run, Claim(metric="f1", first=first, second=second))[1] == ["untested"]
    (judged,) = judge_findings(load_results(write_run(results)), {})
    (only,) = judged.comparisons
    assert (only.first, only.second) == pytest.approx((0.356, 0.325))


def test_counts_need_no_test(results: Json, write_run: WriteRun) -> None:
    common = {"stage": "measure", "task": "", "split": "train", "protocol": "counted", "seed": 0, "dataset": "harbours"}
    results["rows"] = [
        common | {"metric": "break_up_rate", "value": value, "model": name, "cell": {"arm": name}}
        for name, value in (("general", 3.012), ("own", 1.478))
    ]
    claim = Claim(metric="break_up_rate", first={"arm": "own"}, second={"arm": "general"}, relation="lower")
    assert verdicts(results, write_run, claim) == ("held", ["held"])
    as_printed = Claim(metric="break_up_rate", first={"arm": "own"}, second=1.47, relation="equal", within=0.01)
    assert verdicts(results, write_run, as_printed) == ("held", ["held"])
    layout = TableLayout(rows=("arm",), columns=("dataset",), metrics=("break_up_rate",))
    rows = (ReferenceRow(labels={}, where={"arm": "own"}, values={"break_up_rate": 1.478}),)
    table = main_table(results, write_run, reference(layout=layout, rows=rows))
    assert texts(table) == [["own", "1.478", "1.478"], ["general", "3.012", "–"]]
    assert table.rows[0][1].is_best
    assert "seeds" not in table.caption

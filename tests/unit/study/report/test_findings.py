from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import Claim, Finding, ReferenceTable
from domainlm.study.report.findings import judge_findings
from domainlm.study.report.load import load_results
from domainlm.study.report.reference import reference_as_dict
from domainlm.study.report.sections import build_report

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]


def reference(*claims: Claim) -> ReferenceTable:
    return ReferenceTable(
        name="ships/table1",
        description="ships",
        title="Harbours and cargoes",
        source="Mariner 2020",
        findings=(Finding(statement="So it was.", claims=claims),),
    )


def verdicts(results: Json, write_run: WriteRun, *claims: Claim) -> tuple[str, list[str]]:
    results["reference"] = reference_as_dict(reference(*claims))
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


def test_the_comparisons_say_how_they_were_tested_and_why_not(results: Json, write_run: WriteRun) -> None:
    out = write_run(results)
    for row in results["rows"]:
        if row["dataset"] == "harbours" and row["split"] == "test" and not row["type"]:
            row["units"] = f"logs/units-{row['steps']}-{row['seed']}.json"
            content = {"format": 2, "protocol": row["protocol"], "kinds": ["block"], "data": "d"}
            content["units"] = [f"u{n}" for n in range(60)]
            counts = [[10, 10, 7 if row["steps"] == 1500 else 5]] * 60
            (out / row["units"]).write_text(json.dumps(content | {"counts": counts}))
    table = reference(Claim(metric="f1", **MORE), Claim(metric="f1", **POOLED))
    results["reference"] = reference_as_dict(table)
    section = build_report(load_results(write_run(results))).sections[0]
    (comparisons,) = section.tables
    assert "by paired approximate randomisation over the blocks of ten sentences" in comparisons.caption
    assert "fewer than 6 seeds cannot give p < 0.05 and in which a side pools several models." in comparisons.caption
    assert [(row[7].text, row[8].text) for row in comparisons.rows] == [
        ("<0.001", "as found"),
        ("–", "as found, untested"),
        ("–", "as found, untested"),
    ]


def test_however_many_comparisons_a_clear_difference_is_beyond_chance(results: Json, write_run: WriteRun) -> None:
    """101 comparisons of the same two models: with 2,000 rounds the least adjusted p-value would be above 0.05."""
    kept = [row for row in results["rows"] if row["dataset"] == "harbours" and row["metric"] == "f1"]
    results["rows"] = [
        row | {"units": f"logs/units-{row['steps']}.json"} for row in kept if row["seed"] == 0 and not row.get("type")
    ]
    out = write_run(results)
    for steps, correct in ((0, 0), (1500, 9)):
        counts = {"counts": [[9, 9, correct]] * 30, "units": [f"d{number}" for number in range(30)]}
        content = {"format": 2, "protocol": "p", "data": "d", "kinds": ["document"], **counts}
        (out / "logs" / f"units-{steps}.json").write_text(json.dumps(content), encoding="utf-8")
    results["reference"] = reference_as_dict(reference(*[Claim(metric="f1", **MORE)] * 101))
    (out / "results.json").write_text(json.dumps(results), encoding="utf-8")
    (judged,) = judge_findings(load_results(out), {})
    assert {each.state for each in judged.comparisons} == {"held"}
    assert judged.comparisons[0].p_value == pytest.approx(101 / 10_101)

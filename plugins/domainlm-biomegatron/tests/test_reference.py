"""The published figures: as the facts file has them, and beside arms and data sets that the recipes have."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import Claim, ReferenceTable
from domainlm.recipe.load import LoadedRecipe, load_recipe
from domainlm.study.report.main_table import MainTable
from domainlm.study.report.records import Results, Row
from domainlm_biomegatron.reference import figures
from domainlm_biomegatron.reference.ner_re import STEP_ARMS
from domainlm_biomegatron.specs.recipes import RECIPES
from domainlm_biomegatron.specs.references import REFERENCE_TABLES

BY_NAME = {table.name: table for table in REFERENCE_TABLES}
WITH_REFERENCE = [spec for spec in RECIPES if spec.name in BY_NAME]


def rows_of(facts: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in facts["rows"]]


@pytest.mark.real
def test_every_figure_is_that_of_the_facts(data_dir: Path) -> None:
    path = data_dir.parent / "facts" / "biomegatron.toml"
    if not path.is_file():
        pytest.skip(f"needs the facts of the paper: {path}")
    facts = tomllib.loads(path.read_text(encoding="utf-8"))
    for number in (1, 2, 3, 4, 6, 7, 8, 9):
        assert list(getattr(figures, f"TABLE{number}")) == rows_of(facts[f"table{number}"]), number
    steps = facts["table5"].pop("steps")
    assert list(figures.TABLE5_STEPS) == steps
    assert {name: list(values) for name, values in figures.TABLE5.items()} == facts["table5"]


def test_some_figures_stand_where_the_paper_prints_them() -> None:
    """Shin et al. 2020, read off by hand: one of each kind of table."""
    (row,) = (
        row
        for row in BY_NAME["biomegatron/table1"].rows
        if (row.where["dataset"], row.where.get("arm")) == ("ChemProt", "1.2b, BERT-uncased")
    )
    assert row.values == {"precision": 82.0, "recall": 65.6, "f1": 72.9}
    (row,) = (row for row in BY_NAME["biomegatron/table2"].rows if row.where.get("arm") == "800m")
    assert row.values == {"strict_accuracy": 45.2, "lenient_accuracy": 58.6, "mrr": 50.4}
    assert [row.values["num_words"] for row in BY_NAME["biomegatron/table9"].rows] == [4.5e9, 16.8e9, 6.1e9]
    assert STEP_ARMS == ("1e3 steps", "1e4 steps", "1e5 steps", "2e5 steps", "3e5 steps", "4e5 steps", "5e5 steps")


def test_every_table_has_its_figures() -> None:
    assert {name: len(table.rows) for name, table in BY_NAME.items()} == {
        "biomegatron/table1": 24,
        "biomegatron/table2": 5,
        "biomegatron/table3": 8,
        "biomegatron/table4": 3,
        "biomegatron/table5": 21,
        "biomegatron/table6": 2,
        "biomegatron/table7": 14,
        "biomegatron/table8": 6,
        "biomegatron/table9": 3,
        "biomegatron/labelling": 0,
    }


def loaded(path: Path, scale: str) -> LoadedRecipe:
    names = {spec.name: spec.path for spec in RECIPES}
    return load_recipe(path, ["variables.data=made-up", f"scale={scale}"], names.__getitem__)


def conditions(table: ReferenceTable) -> Iterator[Mapping[str, Any]]:
    yield from (row.where for row in table.rows if not row.is_alone)
    for finding in table.findings:
        for claim in finding.claims:
            yield from _sides(claim)


def _sides(claim: Claim) -> Iterator[Mapping[str, Any]]:
    yield from (side for side in (claim.first, claim.second) if isinstance(side, Mapping))


@pytest.mark.parametrize("name", [spec.name for spec in WITH_REFERENCE])
def test_figures_stand_beside_arms_and_data_sets_of_the_recipe(name: str) -> None:
    (spec,) = (spec for spec in RECIPES if spec.name == name)
    recipe = loaded(spec.path, "full")
    assert recipe.recipe.report.reference == name
    known = {
        "arm": {cell.arm for cell in recipe.cells},
        "dataset": {str(task.name) for task in recipe.recipe.tasks},
        "protocol": {"conlleval entity", "sub-token entity", "scored labels"},
    }
    for where in conditions(BY_NAME[name]):
        for field, wanted in where.items():
            values = wanted if isinstance(wanted, tuple) else (wanted,)
            assert set(values) <= known[field], where


@pytest.mark.parametrize("name", [spec.name for spec in WITH_REFERENCE])
def test_both_scales_have_the_same_arms(name: str) -> None:
    """But for table 9: the corpus with full text of any licence is not to be had as plain text."""
    (spec,) = (spec for spec in RECIPES if spec.name == name)
    full, laptop = ([cell.arm for cell in loaded(spec.path, scale).cells] for scale in ("full", "laptop"))
    assert [arm for arm in full if name != "biomegatron/table9" or arm != "PubMedBERT"] == laptop


def figure(table: ReferenceTable, metric: str, where: Mapping[str, Any]) -> float:
    """Mean of the published figures that conditions pick."""
    found = [
        value
        for row in table.rows
        if all(
            row.where.get(key) in (wanted if isinstance(wanted, tuple) else (wanted,)) for key, wanted in where.items()
        )
        and not row.is_alone
        and (value := row.values.get(metric)) is not None
    ]
    assert found, where
    return sum(found) / len(found)


@pytest.mark.parametrize("name", [name for name, table in BY_NAME.items() if table.rows])
def test_findings_hold_for_the_papers_own_figures(name: str) -> None:
    table = BY_NAME[name]
    for finding in table.findings:
        for claim in finding.claims:
            datasets = {row.where["dataset"] for row in table.rows if "dataset" in row.where} if claim.each else set()
            assert set(claim.each) <= {"dataset", "protocol"}
            wanted = claim.first.get("dataset")
            if isinstance(wanted, tuple):
                datasets = {dataset for dataset in datasets if dataset in wanted}
            elif wanted is not None or not datasets:
                datasets = set()
            for each in [{"dataset": dataset} for dataset in sorted(map(str, datasets))] or [{}]:
                _check_claim(table, claim, each)


@pytest.mark.parametrize("name", list(BY_NAME))
def test_every_claim_is_of_single_models(name: str) -> None:
    """A mean over models says nothing of each, and cannot be tested."""
    for finding in BY_NAME[name].findings:
        for claim in finding.claims:
            for side in _sides(claim):
                arms = side.get("arm", ())
                assert isinstance(arms, str) or len(arms) <= 1, claim


def test_the_fourth_point_of_table_5_is_compared_with_every_other() -> None:
    claims = BY_NAME["biomegatron/table5"].findings[1].claims
    assert {claim.first["arm"] for claim in claims} == {"2e5 steps"}
    others = [claim.second["arm"] for claim in claims if isinstance(claim.second, Mapping)]
    assert sorted(map(str, others)) == sorted(set(STEP_ARMS) - {"2e5 steps"})


def score(arm: str, dataset: str, protocol: str, value: float) -> Row:
    return Row(
        stage="finetune",
        metric="f1",
        value=value,
        seed=0,
        dataset=dataset,
        split="test",
        protocol=protocol,
        arm=arm,
        model=arm,
        counts={},
        epochs={},
        settings={},
        cell={"arm": arm},
    )


def test_figures_of_sub_tokens_stand_beside_ours_of_sub_tokens() -> None:
    """On BC5CDR; the paper labels NCBI-disease by whole entity (section 5.1)."""
    arm = "345m, bio 30k"
    rows = [
        score(arm, "BC5CDR-chem", "conlleval entity", 0.9),
        score(arm, "BC5CDR-chem", "strict IOB2 entity", 0.88),
        score(arm, "BC5CDR-chem", "sub-token entity", 0.92),
        score(arm, "NCBI-disease", "conlleval entity", 0.8),
        score(arm, "ChemProt", "scored labels", 0.7),
        score(arm, "ChemProt", "all gold relations", 0.69),
    ]
    reference = BY_NAME["biomegatron/table1"]
    assert reference.layout is not None
    table = MainTable(Results(recipe={}, lock={}, rows=tuple(rows), reference=reference), reference.layout).build()
    dataset, found = "", set()
    for line in ([cell.text for cell in row] for row in table.rows):
        dataset = line[0] or dataset
        if arm in line and line[-2] != "–":
            found.add((dataset, *line[-2:]))
    assert found == {
        ("BC5CDR-chem", "92.0", "92.9"),
        ("BC5CDR-chem", "90.0", "–"),
        ("NCBI-disease", "80.0", "87.1"),
        ("ChemProt", "70.0", "75.1"),
    }


def _check_claim(table: ReferenceTable, claim: Claim, each: Mapping[str, Any]) -> None:
    def at(side: Mapping[str, Any]) -> float:
        # Ours are compared by words, of which the paper has no figures where it counts sub-tokens.
        return figure(table, claim.metric, {key: value for key, value in {**side, **each}.items() if key != "protocol"})

    first = at(claim.first)
    second = at(claim.second) if isinstance(claim.second, Mapping) else claim.second
    place = f"{table.name}: {claim} {dict(each)}: {first}, {second}"
    if claim.relation == "equal":
        assert first == pytest.approx(second, rel=claim.within), place
    else:
        assert (first > second) == (claim.relation == "higher"), place
        assert first != second, place

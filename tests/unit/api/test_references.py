"""Reference tables check themselves, reach the report through results.json, and are looked up by name."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from domainlm.api import Claim, Finding, ReferenceRow, ReferenceTable, SpecError, TableLayout
from domainlm.api.references import ROW_FIELDS
from domainlm.plugin import Provider, Registry
from domainlm.study.report.records import ResultsFile, Row
from domainlm.study.report.reference import reference_as_dict

_ROW = ReferenceRow(
    labels={"dataset": "Harbour", "arm": "Tug", "parameters": "5m"},
    where={"dataset": "harbour", "arm": ("tug", "tug-old")},
    values={"f1": 91.7, "precision": None},
)
_CLAIM = Claim(
    metric="f1", first={"arm": "tug"}, second={"arm": "raft", "steps": 100}, exceeds=({"arm": "a"}, {"arm": "b"})
)
_TABLE = ReferenceTable(
    name="harbour/table1",
    description="boats found in logbooks",
    title="Boats by model",
    source="Example 2020",
    rows=(_ROW, ReferenceRow(labels={"arm": "Ferry"}, where={"dataset": "harbour"}, values={"f1": 88}, is_alone=True)),
    findings=(
        Finding(statement="Tugs are best.", claims=(_CLAIM, Claim(metric="f1", first={"arm": "tug"}, second=90.0))),
    ),
    layout=TableLayout(rows=("dataset", "arm"), metrics=("precision", "f1"), where={"split": "test"}),
)


def test_a_table_reads_back_from_results_as_it_was() -> None:
    text = json.dumps({"recipe": {}, "rows": [], "reference": reference_as_dict(_TABLE)})
    assert ResultsFile.model_validate_json(text).reference == _TABLE


def test_a_table_is_found_by_its_name() -> None:
    registry = Registry()
    registry.add(_TABLE, Provider("harbour", "1", "harbour"))
    assert registry.reference_table("harbour/table1@1") is _TABLE
    with pytest.raises(SpecError, match="unknown reference table"):
        registry.reference_table("harbour/table2")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReferenceRow(labels={}, where={}, values={"f1": 1.0}), "no conditions"),
        (lambda: ReferenceRow(labels={}, where={"arm": "a"}, values={}), "no values"),
        (lambda: ReferenceRow(labels={}, where={"arm": "a"}, values={"f1": float("nan")}), "wrong values"),
        (lambda: ReferenceRow(labels={}, where={"arm": ["a"]}, values={"f1": 1.0}), "wrong where"),  # type: ignore[dict-item]
        (lambda: TableLayout(rows=(), metrics=("f1",)), "no rows"),
        (lambda: TableLayout(rows=("arm",), columns=("arm",), metrics=("f1",)), "rows and columns"),
        (lambda: Claim(metric="f1", first={}, second={}, relation="best"), "wrong relation"),  # type: ignore[arg-type]
        (lambda: Claim(metric="f1", first={}, second=1.0, exceeds=({}, {})), "exceeds needs"),
        (lambda: Finding(statement="So it is.", claims=()), "no claims"),
        (lambda: ReferenceTable(name="a/b", description="x", title="t", source="s"), "neither rows nor findings"),
    ],
)
def test_what_is_wrong_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda name: TableLayout(rows=("arm", name), metrics=("f1",)), "rows"),
        (lambda name: TableLayout(rows=("arm",), columns=(name,), metrics=("f1",)), "columns"),
        (lambda name: TableLayout(rows=("arm",), metrics=("f1",), where={name: "a"}), "where"),
        (lambda name: TableLayout(rows=("arm",), metrics=("f1",), headings={name: "a"}), "headings"),
        (lambda name: ReferenceRow(labels={name: "a"}, where={"arm": "a"}, values={"f1": 1.0}), "labels"),
        (lambda name: ReferenceRow(labels={}, where={name: "a"}, values={"f1": 1.0}), "where"),
        (lambda name: Claim(metric="f1", first={name: "a"}, second={}), "first"),
        (lambda name: Claim(metric="f1", first={}, second={name: "a"}), "second"),
        (lambda name: Claim(metric="f1", first={}, second={}, exceeds=({}, {name: "a"})), "exceeds"),
        (lambda name: Claim(metric="f1", first={}, second={}, each=(name,)), "each"),
    ],
)
def test_a_misspelled_field_is_named_with_the_nearest(make: Callable[[str], object], key: str) -> None:
    for name in ("dataset", "pretraining.num_steps", "vocabulary_id"):
        make(name)
    with pytest.raises(SpecError, match="'datset' is neither a field of results nor a dotted recipe key") as caught:
        make("datset")
    assert caught.value.nearest == "dataset"
    assert str(caught.value.where).endswith(f": {key}")


def test_the_fields_are_those_of_rows_that_tell_them_apart() -> None:
    told_of_the_number = {"value", "counts", "signature", "units", "type"}  # rows of single types stand in no table
    tables = {"cell", "settings", "epochs"}
    assert set(Row.model_fields) - told_of_the_number - tables == ROW_FIELDS

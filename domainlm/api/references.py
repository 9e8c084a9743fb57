"""Figures of a publication, to stand beside a study's own, and what the publication found, to be looked at again.

A study's scores are rows of results.json. Conditions pick rows: a field of theirs ("dataset", "arm", "size",
"vocabulary", "corpus", "start", "steps", "parameters", "protocol", "split", ...) or a varied recipe key
("pretraining.num_steps"), with the value that it must have, or with several of which it must have one.

Values are in the unit in which reports print a metric: per cent for F1, precision, recall, accuracies and MRR, as
papers print them; nats, bits and numbers as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from domainlm.api.field_checks import check_choice, check_mapping, check_optional, check_strings
from domainlm.api.field_names import with_known_fields
from domainlm.api.spec_base import SpecBase
from domainlm.errors import SpecError, nearest_name

FieldValue: TypeAlias = bool | int | float | str
Conditions: TypeAlias = Mapping[str, FieldValue | tuple[FieldValue, ...]]
"""Fields of a row of results.json with the values that they must have: all fields, and of several values any."""

ROW_FIELDS = frozenset(
    {
        *("stage", "task", "dataset", "split", "metric", "protocol", "seed", "model", "arm", "size", "parameters"),
        *("architecture", "vocabulary", "vocabulary_size", "vocabulary_id", "corpus", "start", "steps", "after"),
    }
)
"""Fields of a row of results.json that rows can be told apart by; docs/reference/results.md says what they hold."""

Relation = Literal["higher", "lower", "equal"]


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class TableLayout:
    """What the main table of a report looks like.

    Attributes:
        rows: fields whose values make the rows, from the outer to the inner one: ("dataset", "arm").
        columns: fields whose values make groups of columns; none where the metrics alone do.
        metrics: the metrics shown, in order.
        where: rows of results.json that count; without conditions on "split" and "protocol", the first split of test,
            dev and any other, and the first protocol that has the metric.
        headings: what the columns are called, by field, where that is not the field's name.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...] = ()
    metrics: tuple[str, ...]
    where: Conditions = field(default_factory=dict)
    headings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = "TableLayout"
        check_strings(self.rows, "rows", where)
        check_strings(self.columns, "columns", where)
        check_strings(self.metrics, "metrics", where)
        check_conditions(self.where, "where", where)
        check_mapping(self.headings, "headings", where)
        for key in ("rows", "columns", "headings"):
            check_fields(getattr(self, key), key, where)
        for key in ("rows", "metrics"):
            if not getattr(self, key):
                raise SpecError(f"no {key}", where=where, remedy=f"name at least one in {key}")
        twice = sorted(set(self.rows) & set(self.columns))
        if twice:
            raise SpecError("a field makes rows and columns", where=where, given=", ".join(twice))


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """Figures of one model (or vocabulary, corpus, ...) on one data set.

    Attributes:
        labels: what the publication calls it, by field of the layout: {"arm": "Raft", "parameters": "110m"}.
        where: conditions on the rows of results.json that it stands beside: {"dataset": "harbour", "arm": "large"}.
        values: the figures by metric; None where the publication has none.
        is_alone: the study has nothing like it (a model of somebody else's): it gets a row of its own. `where` then
            says only to which data set, or other column or outer row, it belongs.
        note: what must be known to compare it, below the table.
    """

    labels: Mapping[str, str]
    where: Conditions
    values: Mapping[str, float | None]
    is_alone: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        for key in ("labels", "values"):
            check_mapping(getattr(self, key), key, "ReferenceRow")
        where = f"ReferenceRow {dict(self.labels)!r}"
        check_conditions(self.where, "where", where)
        if not self.where and not self.is_alone:
            raise SpecError(
                "no conditions", where=where, remedy="say in `where` what it stands beside, or is_alone=True"
            )
        for key, text in self.labels.items():
            if not isinstance(key, str) or not isinstance(text, str):
                raise SpecError("wrong labels", where=where, given=repr(text), allowed="texts by field")
        check_fields(self.labels, "labels", where)
        if not self.values:
            raise SpecError("no values", where=where, remedy='give them by metric: {"f1": 91.7}')
        for metric, value in self.values.items():
            if value is not None:
                _check_number(value, f"values[{metric!r}]", where)


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A comparison of two sorts of rows of results.json, or of one sort with a number.

    Attributes:
        metric: what is compared: means over seeds.
        first: conditions on the rows of one side.
        second: conditions on those of the other, or a number in the metric's printed unit.
        relation: how the first is to be, seen from the second. Whether higher is better does not matter here.
        within: for "equal", by how much of the second the first may differ: 0.01 for one per cent.
        exceeds: two further sorts: the difference of the first two must exceed theirs (both in the direction of
            `relation`); that is how one influence is larger than another.
        each: the comparison is made for each value of these fields by itself, where both sides have it.
    """

    metric: str
    first: Conditions
    second: Conditions | float
    relation: Relation = "higher"
    within: float = 0.0
    exceeds: tuple[Conditions, Conditions] | None = None
    each: tuple[str, ...] = ("dataset",)

    def __post_init__(self) -> None:
        where = f"Claim on {self.metric!r}"
        check_choice(self.relation, get_args(Relation), "relation", where)
        check_strings(self.each, "each", where)
        check_fields(self.each, "each", where)
        check_conditions(self.first, "first", where)
        if isinstance(self.second, Mapping):
            check_conditions(self.second, "second", where)
        else:
            _check_number(self.second, "second", where)
        _check_number(self.within, "within", where)
        if self.exceeds is not None:
            if self.relation == "equal" or not isinstance(self.second, Mapping):
                raise SpecError("exceeds needs two sorts of rows, one higher or lower than the other", where=where)
            for side in self.exceeds:
                check_conditions(side, "exceeds", where)


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a publication found, and the comparisons that show whether it holds elsewhere.

    Attributes:
        statement: the finding in a sentence, in one's own words.
        claims: all must hold for the finding to hold.
        source: where the publication says it ("section 4.1").
    """

    statement: str
    claims: tuple[Claim, ...]
    source: str = ""

    def __post_init__(self) -> None:
        where = f"Finding {self.statement!r}"
        if not isinstance(self.statement, str) or not self.statement.strip():
            raise SpecError("needs a statement", where="Finding")
        if not isinstance(self.claims, tuple) or not self.claims:
            raise SpecError("no claims", where=where, remedy="give at least one comparison")
        if not all(isinstance(claim, Claim) for claim in self.claims):
            raise SpecError("wrong claims", where=where, allowed="a tuple of Claim")


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceTable(SpecBase):
    """A table of a publication.

    Attributes:
        title: the publication's title of the table, or one's own words for it.
        source: the publication, so that somebody finds it.
        rows: its figures; none where only findings are given.
        findings: what the publication concluded.
        layout: the publication's own; the recipe's `[report.layout]` goes before it.
        note: what must be known of all of them to compare.
    """

    title: str
    source: str
    rows: tuple[ReferenceRow, ...] = ()
    findings: tuple[Finding, ...] = ()
    layout: TableLayout | None = None
    note: str = ""

    def _check(self, where: str) -> None:
        for key in ("title", "source"):
            if not isinstance(getattr(self, key), str) or not getattr(self, key).strip():
                raise SpecError(f"needs a {key}", where=where)
        check_optional(self.layout, TableLayout, "layout", where)
        for key, wanted in (("rows", ReferenceRow), ("findings", Finding)):
            entries = getattr(self, key)
            if not isinstance(entries, tuple) or not all(isinstance(entry, wanted) for entry in entries):
                raise SpecError(f"wrong {key}", where=where, allowed=f"a tuple of {wanted.__name__}")
        if not self.rows and not self.findings:
            raise SpecError("neither rows nor findings", where=where)


def check_conditions(conditions: object, key: str, where: str) -> None:
    """Raise `SpecError` unless `conditions` are known fields with values."""
    if not isinstance(conditions, Mapping):
        raise SpecError(f"wrong {key}", where=where, given=repr(conditions), allowed="a mapping from fields to values")
    for name, wanted in conditions.items():
        values = wanted if isinstance(wanted, tuple) else (wanted,)
        if (
            not isinstance(name, str)
            or not values
            or not all(isinstance(each, bool | int | float | str) for each in values)
        ):
            raise SpecError(
                f"wrong {key}",
                where=where,
                given=f"{name!r}: {wanted!r}",
                allowed="a text, number or truth value, or a tuple of some",
            )
    check_fields(conditions, key, where)


def check_fields(names: Iterable[str], key: str, where: str) -> None:
    """Raise `SpecError` where one is neither a field of a row of results.json nor a dotted recipe key."""
    for name in names:
        if name not in ROW_FIELDS and "." not in name:
            raise SpecError(
                f"{name!r} is neither a field of results nor a dotted recipe key",
                where=f"{where}: {key}",
                allowed=sorted(ROW_FIELDS),
                nearest=nearest_name(name, sorted(ROW_FIELDS)),
            )


def _check_number(value: object, key: str, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SpecError(f"wrong {key}", where=where, given=repr(value), allowed="a finite number")

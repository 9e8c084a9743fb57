"""Fields of rows by name, and conditions on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domainlm.api import Conditions, FieldValue
from domainlm.study.report.records import Row

_SPLIT_ORDER = ("test", "dev")
_ROW_FIELDS = frozenset(Row.model_fields)
_SHOWN_AS = {"dataset": "data set", "arm": "model", "model": "model", "vocabulary_size": "vocabulary size"}


def field_value(row: Row, name: str) -> FieldValue | None:
    """Return a field of a row, or the value that a varied key has in it; None where it has none.

    "arm" is the model's label where the study has no named arms.
    """
    for table in (row.cell, row.settings):
        if name in table:
            return table[name]
    value = getattr(row, name, None) if name in _ROW_FIELDS else None
    if name == "arm" and value in (None, ""):
        return row.model
    return value if isinstance(value, bool | int | float | str) else None


def meets(row: Row, conditions: Conditions) -> bool:
    """Whether a row has every field as the conditions want it."""
    return all(_is_any(field_value(row, name), wanted) for name, wanted in conditions.items())


def heading(name: str) -> str:
    """What a column of a field is called."""
    return _SHOWN_AS.get(name, name.rpartition(".")[2].replace("_", " "))


def field_text(name: str, value: FieldValue | None) -> str:
    """A field's value as tables print it."""
    if value is None:
        return ""
    if name == "parameters" and isinstance(value, int) and value >= 1_000_000:
        return f"{value / 1e6:,.0f}m" if value >= 10_000_000 else f"{value / 1e6:.1f}m"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if isinstance(value, int) else str(value)


def leading_rows(rows: Iterable[Row], where: Conditions, metrics: Sequence[str]) -> list[Row]:
    """Return the rows of some metrics that count: all types pooled, of one split and protocol unless these are given.

    Of each data set that is the first split of test, dev and any other, and for each metric the first protocol there.
    """
    wanted = frozenset(metrics)
    found = [row for row in rows if row.metric in wanted and not row.type and meets(row, where)]
    if "split" not in where:
        best: dict[str, int] = {}
        for row in found:
            best[row.dataset] = min(best.get(row.dataset, len(_SPLIT_ORDER)), split_place(row.split))
        found = [row for row in found if split_place(row.split) == best[row.dataset]]
    if "protocol" not in where:
        first: dict[tuple[str, str], str] = {}
        for row in found:
            first.setdefault((row.dataset, row.metric), row.protocol)
        found = [row for row in found if row.protocol == first[row.dataset, row.metric]]
    return found


def split_place(split: str) -> int:
    """The place of a split in what reports judge by: test before dev before any other."""
    return _SPLIT_ORDER.index(split) if split in _SPLIT_ORDER else len(_SPLIT_ORDER)


def _is_any(value: FieldValue | None, wanted: FieldValue | tuple[FieldValue, ...]) -> bool:
    return any(_is_same(value, each) for each in (wanted if isinstance(wanted, tuple) else (wanted,)))


def _is_same(value: FieldValue | None, wanted: FieldValue) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value == wanted

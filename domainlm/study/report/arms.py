"""The arms of a study: one for each combination of varied values, in one order and with one name everywhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from domainlm.study.report.labels import clean
from domainlm.study.report.question import Question
from domainlm.study.report.records import CurveRecord, FailureRecord, Results, Row, Scalar

_Record = Row | CurveRecord | FailureRecord


@dataclass(frozen=True, slots=True, order=True)
class Arm:
    """One cell of the study.

    Attributes:
        place: counts from 0 in the order of the recipe; decides the colour.
        key: tells arms apart: the varied values, or the model's label where nothing is varied.
        label: what the report calls it; no two arms share one.
    """

    place: int
    key: str
    label: str


class Arms:
    """All arms of a study: those that the recipe asks for, then any others that the results hold."""

    def __init__(self, results: Results, question: Question) -> None:
        labels: dict[str, str] = {}
        cells = {_key("", cell): cell for cell in question.cells if cell}
        labels.update(dict.fromkeys(cells, ""))
        curves = (curve.record for curve in results.curves)
        records: Iterator[_Record] = chain(results.rows, curves, results.failures)
        for record in records:
            key = _key(record.model, record.cell)
            labels[key] = labels.get(key) or record.model
            cells.setdefault(key, record.cell)
        short = {key: label or short_label(cells[key]) for key, label in labels.items()}
        uses = Counter(short.values())
        self._by_key = {
            key: Arm(place, key, label if uses[label] == 1 else _full_label(label, cells[key]))
            for place, (key, label) in enumerate(short.items())
        }

    def __iter__(self) -> Iterator[Arm]:
        return iter(self._by_key.values())

    def __len__(self) -> int:
        return len(self._by_key)

    def of(self, record: _Record) -> Arm:
        """Return the arm that a row, curve or failure belongs to."""
        return self._by_key[_key(record.model, record.cell)]

    def of_cell(self, cell: Mapping[str, Scalar]) -> Arm | None:
        """Return the arm of one of the recipe's cells; None where nothing is varied."""
        return self._by_key.get(_key("", cell)) if cell else None


def _key(model: str, cell: Mapping[str, Scalar]) -> str:
    return json.dumps(dict(cell), sort_keys=True) if cell else model


def short_label(cell: Mapping[str, Scalar]) -> str:
    """What a cell is called by its varied values."""
    parts = [str(value) if key == "arm" else f"{key.rpartition('.')[2]}={_shown(value)}" for key, value in cell.items()]
    return clean(", ".join(parts)) or "the model"


def _full_label(label: str, cell: Mapping[str, Scalar]) -> str:
    values = clean(", ".join(f"{key}={_shown(value)}" for key, value in cell.items()))
    return f"{label} [{values}]" if values else label


def _shown(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""Predictions that fine-tuning wrote, as the numbers that scores are counted from, document by document.

See `domainlm.tasks.units` for what is taken as one where ids name no documents.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from domainlm.errors import DataError
from domainlm.tasks.signature import data_hash
from domainlm.tasks.significance import Metric, Numbers, f1_of_sums, mean_of_sums
from domainlm.tasks.units import CountedRecord, UnitKind, add_up
from domainlm.text.files import open_text

_Record = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class UnitCounts:
    """What one file of predictions holds.

    Attributes:
        by_unit: sums of each document, or of what else is taken as one, by its id.
        kinds: what the units are.
        metric: from sums to the score.
        name: what the score is.
        data: hash of the ids and of the gold standard: scores of other data are not comparable.
        labels: types or labels that gold or predictions have, counted or not; empty where a number is averaged.
    """

    by_unit: Mapping[str, Numbers]
    kinds: tuple[UnitKind, ...]
    metric: Metric
    name: str
    data: str
    labels: frozenset[str] = frozenset()

    def matrix(self, units: Sequence[str]) -> Numbers:
        """The sums of some units [num_units, num_sums]."""
        return np.stack([self.by_unit[unit] for unit in units])


def count_predictions(
    path: Path, *, labels: Collection[str] = (), score: str = "", files: Collection[str] = ()
) -> UnitCounts:
    """Read one predictions.*.jsonl.

    Entities are compared as exact character spans with their types, labels of sequences as they are; both give F1.

    Args:
        path: the file.
        labels: the types or labels that count; all where empty, which relations do not allow: with "no relation" among
            them F1 is the accuracy.
        score: a number that every record carries ("f1"), to be averaged instead of counting.
        files: stems of the files that the examples were read from, where they are known.

    Raises:
        DataError: the file cannot be read, or its records hold nothing to count, or relations without labels to count.
    """
    counted: list[CountedRecord] = []
    gold: list[object] = []
    met: set[str] = set()
    for line, content in enumerate(open_text(path), 1):
        try:
            record = json.loads(content)
            counted.append(_count(record, labels, score))
            met.update(() if score else _labels(record))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                "not a record of predictions",
                where=f"{path}:{line}",
                given=content[:80],
                allowed=f'a number as "{score}"' if score else '"id", "gold" and "predicted"',
            ) from error
        if not labels and not score and _is_relation(record):
            raise DataError(
                "relations need the labels that count",
                where=f"{path}:{line}",
                given="none: with the label of pairs that are not related among them, F1 would be the accuracy",
                remedy="name each label that stands for a relation (--label of domainlm task compare)",
            )
        gold.append([record["id"], record.get("gold")])
    by_unit, kinds = add_up(counted, files)
    metric, name = (mean_of_sums, f"mean {score}") if score else (f1_of_sums, "F1 by exact match")
    return UnitCounts(by_unit, kinds, metric, name, data_hash(gold), frozenset(met))


def pool_files(paths: Sequence[Path], *, labels: Collection[str] = (), score: str = "") -> UnitCounts:
    """Add up the files of a model's seeds, document by document.

    Raises:
        DataError: as for `count_predictions`, or the files are about different documents.
    """
    counted = [count_predictions(path, labels=labels, score=score) for path in paths]
    first = counted[0]
    for path, other in zip(paths[1:], counted[1:], strict=True):
        check_same_units(first, other, path)
    pooled = {unit: np.sum([each.by_unit[unit] for each in counted], axis=0) for unit in first.by_unit}
    labels = first.labels.union(*(each.labels for each in counted))
    return UnitCounts(pooled, first.kinds, first.metric, first.name, first.data, labels)


def check_labels(labels: Collection[str], counted: Sequence[UnitCounts]) -> None:
    """Refuse labels that no model was to find, and none has found: a misspelled one would make all models equal.

    Raises:
        DataError: there is no such label in any of the files.
    """
    there = sorted({label for each in counted for label in each.labels})
    for label in (each for each in labels if each not in there):
        raise DataError(
            "no prediction and no gold standard has this label", where="--label", given=label, allowed=there
        )


def check_same_units(first: UnitCounts, other: UnitCounts, where: Path) -> None:
    """Refuse to compare predictions about different documents or gold standards.

    Raises:
        DataError: the ids or the gold standards differ.
    """
    different = first.by_unit.keys() ^ other.by_unit.keys()
    if different:
        raise DataError(
            "predictions about other documents",
            where=where,
            given=f"{len(different):,} documents in one file alone, {min(different)!r} among them",
            remedy="compare predictions of one split of one data set",
        )
    if first.data != other.data:
        raise DataError(
            "predictions on another gold standard",
            where=where,
            given=f"data {other.data}",
            allowed=f"data {first.data}",
            remedy="compare predictions that were made on the same files, read by the same version of the task",
        )


def _count(record: _Record, labels: Collection[str], score: str) -> CountedRecord:
    document = record.get("document")
    is_sentence = not score and isinstance(record["gold"], list)
    return CountedRecord(
        id=str(record["id"]),
        document=document if isinstance(document, str) else "",
        sums=_mean_sums(record, score) if score else _entity_sums(record, labels),
        kind="question" if score else "document" if is_sentence else "text",
        is_sentence=is_sentence,
    )


def _is_relation(record: _Record) -> bool:
    return "first" in record and "second" in record and isinstance(record["gold"], str)


def _entity_sums(record: _Record, labels: Collection[str]) -> Numbers:
    gold, found = _items(record["gold"], labels), _items(record["predicted"], labels)
    return np.array([len(gold), len(found), len(gold & found)], dtype=np.float64)


def _items(listed: object, labels: Collection[str]) -> set[object]:
    """Entities as places with types, or the one label of a sequence."""
    if isinstance(listed, str):
        return {listed} if not labels or listed in labels else set()
    if not isinstance(listed, list):
        raise TypeError(f"neither a label nor a list of entities: {listed!r}")
    return {(each["start"], each["end"], each["type"]) for each in listed if not labels or each["type"] in labels}


def _labels(record: _Record) -> set[str]:
    listed = [each for name in ("gold", "predicted") for each in _items(record[name], ())]
    return {str(each[2] if isinstance(each, tuple) else each) for each in listed}


def _mean_sums(record: _Record, score: str) -> Numbers:
    value = record[score]
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"not a number: {value!r}")
    return np.array([1.0, float(value)])

"""What scores were counted from, document by document: small files beside the logs, for tests of significance.

Predictions themselves stay with the artifacts; these sums are all that a report needs of them. They are counted when
results are collected, so predictions that were made before are counted by the rules of today.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from domainlm.api import SPLITS, Split
from domainlm.builtin.formats.names import file_stem
from domainlm.files import read_json
from domainlm.study.stages.finetune import FinetuneStage
from domainlm.tasks.predictions import UnitCounts, count_predictions
from domainlm.tasks.token.protocols import CHARACTER_SPAN

_SPAN_METRICS = ("f1", "exact_match", "mrr", "strict_accuracy", "lenient_accuracy")
_FORMAT = 2


def units_name(stage: FinetuneStage, split: str) -> str:
    """Name of the file, below `logs/`, that holds the sums of one fine-tuning on one split."""
    return f"units-{stage.key[:12]}.{split}.json"


def unit_files(stage: FinetuneStage, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and content of the file of each split that the artifact in `folder` has predictions of."""
    for split in SPLITS:
        path = folder / f"predictions.{split}.jsonl"
        first = _first_score(folder, split)
        if path.is_file() and first:
            protocol = CHARACTER_SPAN if stage.spec.kind == "token" else first["protocol"]
            content = _sums(stage, split, path, first.get("labels", ()))
            yield units_name(stage, split), {"format": _FORMAT, "protocol": protocol, **content}


def tested_protocols(stage: FinetuneStage, folder: Path, split: str) -> set[str]:
    """The protocols whose scores the sums stand for: the one that a data set is judged by, and that of the sums."""
    first = {str(found) for found in [_first_score(folder, split).get("protocol")] if found}
    return first | {CHARACTER_SPAN} if stage.spec.kind == "token" else first


def _first_score(folder: Path, split: str) -> Mapping[str, Any]:
    """What the split is judged by: all types or labels that are scored, pooled."""
    scores = read_json(folder / "scores.json")["scores"]
    return next((score for score in scores if score["split"] == split), {})


def _sums(stage: FinetuneStage, split: Split, path: Path, scored: Collection[str]) -> dict[str, Any]:
    files = {file_stem(file.path) for file in stage.files.get(split, ())}
    if stage.spec.kind == "span":
        metrics = _span_metrics(path)
        counted = {name: count_predictions(path, score=name, files=files) for name in metrics}
        if not counted:
            return {"data": "", "kinds": [], "units": []}
        first = next(iter(counted.values()))
        names = sorted(first.by_unit)
        means = {name: _rounded(each, names) for name, each in counted.items()}
        return {"data": first.data, "kinds": list(first.kinds), "units": names, "means": means}
    labels = scored if stage.spec.kind == "sequence" else ()
    found = count_predictions(path, labels=labels, files=files)
    names = sorted(found.by_unit)
    counts = found.matrix(names).astype(np.int64).tolist()
    return {"data": found.data, "kinds": list(found.kinds), "units": names, "counts": counts}


def _rounded(counted: UnitCounts, names: list[str]) -> list[list[float]]:
    return [[round(float(value), 9) for value in row] for row in counted.matrix(names)]


def _span_metrics(path: Path) -> tuple[str, ...]:
    """The numbers that the records of a span task carry; they are the same in all records of a file."""
    with path.open(encoding="utf-8") as lines:
        record: Mapping[str, object] = json.loads(next(lines, "{}"))
    return tuple(name for name in _SPAN_METRICS if isinstance(record.get(name), int | float))

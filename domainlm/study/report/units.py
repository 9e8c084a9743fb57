"""Reads what scores were counted from, unit by unit (documents, questions, ...), as a run leaves it in `logs/`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domainlm.tasks.significance import Metric, Numbers, f1_of_sums, mean_of_sums
from domainlm.tasks.units import UnitKind


def _precision(sums: Numbers) -> Numbers:
    _, found, correct = np.moveaxis(sums, -1, 0)
    return np.asarray(correct / np.maximum(found, 1.0))


def _recall(sums: Numbers) -> Numbers:
    gold, _, correct = np.moveaxis(sums, -1, 0)
    return np.asarray(correct / np.maximum(gold, 1.0))


_OF_COUNTS: dict[str, Callable[[Numbers], Numbers]] = {"f1": f1_of_sums, "precision": _precision, "recall": _recall}


class _UnitFile(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)

    format: Literal[2]
    protocol: str
    data: str
    kinds: tuple[UnitKind, ...]
    units: tuple[str, ...]
    counts: tuple[tuple[int, int, int], ...] = ()
    means: Annotated[dict[str, tuple[tuple[float, float], ...]], Field(default_factory=dict)]


@dataclass(frozen=True, slots=True)
class Units:
    """Sums by unit of one model on one split.

    Attributes:
        protocol: how they were counted.
        data: hash of the units' ids and gold standard: only sums of equal data can be paired.
        sums: by metric, from what it is counted [num_units, num_sums], and how.
        kinds: what the units are.
    """

    protocol: str
    data: str
    sums: dict[str, tuple[Numbers, Metric]]
    kinds: tuple[UnitKind, ...] = ()


def read_units(path: Path) -> Units | None:
    """Return the sums, or None where the file is not there or damaged: tests are then made on seeds alone.

    So it is with files of format 1, whose units may be sentences: running the recipe again writes them anew.
    """
    try:
        found = _UnitFile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    sums: dict[str, tuple[Numbers, Metric]] = {}
    if len(found.counts) == len(found.units) > 0:
        counts = np.array(found.counts, dtype=np.float64)
        sums.update({name: (counts, metric) for name, metric in _OF_COUNTS.items()})
    for name, rows in found.means.items():
        if len(rows) == len(found.units) > 0:
            sums[name] = (np.array(rows, dtype=np.float64), mean_of_sums)
    return Units(found.protocol, found.data, sums, found.kinds) if sums else None

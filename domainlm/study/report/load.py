"""Reads a run's results.json and loss logs into typed, checked records. Nothing else of the run is looked at.

Unknown keys are ignored, so that a report of today reads results that say more; what is there must be well formed.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from domainlm.errors import DataError
from domainlm.study.report.metrics import metric_facts

RESULTS_NAME = "results.json"
LOGS_NAME = "logs"
_REMEDY = "give the output folder of a run; running its recipe again writes the file anew"


def clean(text: str) -> str:
    """Return `text` on one line, without control characters: fit for a table, a plot label and XML."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


Label = Annotated[str, AfterValidator(clean)]
Scalar = bool | int | float | str | None
Fact = bool | int | float | Label | None
Cell = Annotated[Mapping[str, Scalar], Field(default_factory=dict)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class Row(_Record):
    """One number about one model.

    Fractions are between 0 and 1. `type` is empty where all types are counted together; `counts` may hold the whole
    numbers behind the value, "gold" among them. `signature` says how the number came about.
    """

    stage: Label
    metric: Label
    value: float
    seed: int
    task: Label = ""
    dataset: Label = ""
    split: Label = ""
    protocol: Label = ""
    type: Label | None = None
    signature: Label = ""
    counts: Annotated[Mapping[str, int], Field(default_factory=dict)]
    model: Label = ""
    size: Fact = None
    parameters: Fact = None
    architecture: Fact = None
    vocabulary: Fact = None
    vocabulary_size: Fact = None
    corpus: Fact = None
    start: Fact = None
    steps: Fact = None
    epochs: Annotated[Mapping[Label, float], Field(default_factory=dict)]
    vocabulary_id: str = ""
    cell: Cell


class CurveRecord(_Record):
    """Where the losses of one training phase were logged."""

    stage: Label
    file: str
    dataset: Label = ""
    seed: int = 0
    model: Label = ""
    cell: Cell


class ProblemExample(_Record):
    """One place of an input, and what is wrong there."""

    where: Label
    detail: Label


class ProblemRecord(_Record):
    """What a stage skipped or mended in its input, counted by kind."""

    stage: Label
    where: Label = ""
    counts: Mapping[Label, int]
    examples: tuple[ProblemExample, ...] = ()


class FailureRecord(_Record):
    """A stage of one cell that ended with an error."""

    stage: Label
    error: Label
    dataset: Label = ""
    seed: int | None = None
    model: Label = ""
    cell: Cell


class CandidateRecord(_Record):
    """Settings that were tried for a data set, and how they did on dev."""

    dataset: Label
    model: Label
    settings: Mapping[str, Scalar]
    metric: Label
    protocol: Label = ""
    dev_mean: float
    num_seeds: int
    chosen: bool


class _ResultsFile(_Record):
    recipe: Mapping[str, Any]
    lock: Mapping[str, Any] = Field(default_factory=dict)
    rows: tuple[Row, ...]
    curves: tuple[CurveRecord, ...] = ()
    problems: tuple[ProblemRecord, ...] = ()
    failures: tuple[FailureRecord, ...] = ()
    candidates: tuple[CandidateRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Curve:
    """Losses of one training phase: `points` are (step, loss in nats), by ascending step."""

    record: CurveRecord
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Results:
    """Everything the report is made from.

    Attributes:
        recipe: the resolved recipe, with every default filled in.
        lock: versions, specs, file hashes.
        rows: the scores.
        curves: the losses while training; curves whose log cannot be read are left out and named in `notes`.
        problems: what the stages noted about their inputs.
        failures: stages that failed.
        notes: what this reader noted about the logs.
        candidates: settings that were chosen among on dev.
    """

    recipe: Mapping[str, Any]
    lock: Mapping[str, Any]
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...] = ()
    problems: tuple[ProblemRecord, ...] = ()
    failures: tuple[FailureRecord, ...] = ()
    notes: tuple[str, ...] = field(default=())
    candidates: tuple[CandidateRecord, ...] = ()


def load_results(out: Path) -> Results:
    """Read `out`/results.json and the logs it names.

    Raises:
        DataError: results.json is missing, is not JSON, or holds something else than results.
    """
    path = out / RESULTS_NAME
    parsed = _parse(path)
    _check_rows(parsed.rows, path)
    curves: list[Curve] = []
    notes: list[str] = []
    for index, record in enumerate(parsed.curves):
        points, note = _read_log(_log_path(out, record.file, f"{path}: curves[{index}].file"), record.file)
        notes.extend([note] if note else [])
        curves.extend([Curve(record, points)] if points else [])
    return Results(
        recipe=parsed.recipe,
        lock=parsed.lock,
        rows=parsed.rows,
        curves=tuple(curves),
        problems=parsed.problems,
        failures=parsed.failures,
        notes=tuple(dict.fromkeys(notes)),
        candidates=parsed.candidates,
    )


def _parse(path: Path) -> _ResultsFile:
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise DataError("no results to report on", where=path, remedy=_REMEDY) from error
    try:
        return _ResultsFile.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise DataError("damaged: not JSON", where=path, given=first["msg"], remedy=_REMEDY) from error
        place = _dotted(first["loc"])
        given = None if first["type"] == "missing" else repr(first["input"])[:200]
        where = f"{path}: {place}" if place else str(path)
        raise DataError(first["msg"], where=where, given=given, remedy=_REMEDY) from error


def _dotted(location: tuple[int | str, ...]) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".")


def _check_rows(rows: tuple[Row, ...], path: Path) -> None:
    for index, row in enumerate(rows):
        if metric_facts(row.metric).unit == "percent" and not 0.0 <= row.value <= 1.0:
            raise DataError(
                f"wrong {row.metric}",
                where=f"{path}: rows[{index}].value",
                given=row.value,
                allowed="a fraction from 0 to 1",
                remedy=_REMEDY,
            )


def _log_path(out: Path, file: str, where: str) -> Path:
    parts = Path(file).parts
    if len(parts) < 2 or parts[0] != LOGS_NAME or ".." in parts:
        raise DataError("not a log of this run", where=where, given=file, allowed=f"a file below {LOGS_NAME}/")
    return out / file


def _read_log(path: Path, name: str) -> tuple[tuple[tuple[int, float], ...], str]:
    """Return the points of a log and what is to be said about it, if anything.

    The last line may be half-written while a run goes on, so it is passed over silently if it lacks its line end.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return (), f"{clean(name)} is missing: its curve is not shown"
    by_step: dict[int, float] = {}
    counts: Counter[str] = Counter()
    for line in lines:
        point = _parse_point(line)
        if point is not None:
            by_step[point[0]] = point[1]
        elif line.strip() and line.endswith(b"\n"):
            counts[_without_loss(line)] += 1
    if not by_step:
        return (), f"{clean(name)} holds no losses: its curve is not shown"
    notes = {"damaged": "damaged lines passed over", "skipped": "skipped steps, not finite"}
    told = ", ".join(f"{counts[kind]} {note}" for kind, note in notes.items() if counts[kind])
    return tuple(sorted(by_step.items())), f"{clean(name)}: {told}" if told else ""


def _without_loss(line: bytes) -> str:
    """Why a line has none: the step was "skipped", is an "overflow" as fp16 begins with, or the line is "damaged"."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return "damaged"
    is_step = isinstance(entry, dict) and "step" in entry and "loss" not in entry
    return next((key for key in ("skipped", "overflow") if is_step and entry.get(key) == 1), "damaged")


def _parse_point(line: bytes) -> tuple[int, float] | None:
    try:
        entry = json.loads(line)
        step, loss = entry["step"], entry["loss"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    whole = isinstance(step, int) and not isinstance(step, bool)
    number = isinstance(loss, int | float) and not isinstance(loss, bool) and math.isfinite(loss)
    return (step, float(loss)) if whole and number else None

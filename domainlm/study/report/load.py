"""Reads what reports are made from into typed, checked records.

That is results.json, the files in logs/ that it names (the losses of each training phase, the units that scores were
counted from), and cost.json. Nothing else of the run is looked at, and nothing once they are read.

Unknown keys are ignored, so that a report of today reads results that say more; what is there must be well formed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from domainlm.api import ReferenceTable
from domainlm.errors import DataError
from domainlm.study.report.cost_file import Cost, read_cost
from domainlm.study.report.labels import clean
from domainlm.study.report.logs import Log, read_log
from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.units import Units, read_units

RESULTS_NAME = "results.json"
LOGS_NAME = "logs"
_REMEDY = "give the output folder of a run; running its recipe again writes the file anew"


Label = Annotated[str, AfterValidator(clean)]
Scalar = bool | int | float | str | None
Fact = bool | int | float | Label | None
Cell = Annotated[Mapping[str, Scalar], Field(default_factory=dict)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class Row(_Record):
    """One number about one model.

    Fractions are between 0 and 1. `type` is empty where all types are counted together; `counts` may hold the whole
    numbers behind the value, "gold" among them. `signature` says how the number came about, `units` in which file it is
    told apart by document.
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
    arm: Fact = None
    after: Fact = None
    settings: Cell
    units: str = ""
    cell: Cell


class CurveRecord(_Record):
    """Where the losses of one training phase were logged; of pretraining, how long the text's sub-tokens are.

    `split` is "held-out" where the losses are those on held-out text, and empty where they are trained on.
    """

    stage: Label
    file: str
    dataset: Label = ""
    split: Label = ""
    seed: int = 0
    model: Label = ""
    characters_per_sub_token: Annotated[float, Field(gt=0)] | None = None
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
    error: Annotated[Label, Field(validation_alias=AliasChoices("error", "message"))]
    dataset: Annotated[Label, Field(validation_alias=AliasChoices("dataset", "task"))] = ""
    seed: int | None = None
    model: Label = ""
    arm: Fact = None
    cell: Cell

    @model_validator(mode="before")
    @classmethod
    def _of_arm(cls, given: object) -> object:
        """Where only the arm is named, it is the whole cell."""
        if isinstance(given, dict) and given.get("arm") and "cell" not in given:
            return {**given, "cell": {"arm": given["arm"]}}
        return given


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
    missing_seeds: tuple[int, ...] = ()
    left_out: bool = False


class DevScore(_Record):
    """A scored step of a pretraining that may end early."""

    step: int
    value: float


class EarlyStopRecord(_Record):
    """A pretraining that ends where a task's dev score stops rising; `steps_not_made` are empty where it has not."""

    cell: Cell
    task: Label
    metric: Label
    dev_scores: tuple[DevScore, ...]
    best_step: int
    steps_not_made: tuple[int, ...] = ()
    missing_seeds: Mapping[str, tuple[int, ...]] = Field(default_factory=dict)


class _ResultsFile(_Record):
    recipe: Mapping[str, Any]
    lock: Mapping[str, Any] = Field(default_factory=dict)
    rows: tuple[Row, ...]
    curves: tuple[CurveRecord, ...] = ()
    problems: tuple[ProblemRecord, ...] = ()
    failures: tuple[FailureRecord, ...] = ()
    candidates: tuple[CandidateRecord, ...] = ()
    early_stops: tuple[EarlyStopRecord, ...] = ()
    unscored: tuple[Label, ...] = ()
    reference: ReferenceTable | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """Losses of one training phase: `points` are (step, loss in nats), by ascending step; `log` is all of its log."""

    record: CurveRecord
    points: tuple[tuple[int, float], ...]
    log: Log = field(default_factory=Log)


@dataclass(frozen=True, slots=True)
class Results:
    """Everything the report is made from.

    Attributes:
        recipe: the resolved recipe, with defaults filled in.
        lock: versions, specs, file hashes.
        rows: the scores.
        curves: the losses while training; curves whose log cannot be read are left out and named in `notes`.
        problems: what the stages noted about their inputs.
        failures: stages that failed.
        notes: what this reader noted about the logs.
        candidates: settings that were chosen among on dev.
        early_stops: pretrainings that may end early, with those that did.
        unscored: data sets that have neither dev nor test, so that there is nothing to score.
        reference: figures of a publication to stand beside.
        units: what scores were counted from, by the file that rows name.
        cost: what is known of time and energy.
    """

    recipe: Mapping[str, Any]
    lock: Mapping[str, Any]
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...] = ()
    problems: tuple[ProblemRecord, ...] = ()
    failures: tuple[FailureRecord, ...] = ()
    notes: tuple[str, ...] = field(default=())
    candidates: tuple[CandidateRecord, ...] = ()
    early_stops: tuple[EarlyStopRecord, ...] = ()
    reference: ReferenceTable | None = None
    units: Mapping[str, Units] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    unscored: tuple[str, ...] = ()


def load_results(out: Path) -> Results:
    """Read `out`/results.json, the losses and units in `out`/logs/ that it names, and `out`/cost.json.

    A log, a file of units or a cost.json that is missing or damaged is left out.

    Raises:
        DataError: results.json is missing, is not JSON, or holds something else than results.
    """
    path = out / RESULTS_NAME
    parsed = _parse(path)
    _check_rows(parsed.rows, path)
    curves: list[Curve] = []
    notes: list[str] = []
    for index, record in enumerate(parsed.curves):
        log = read_log(_log_path(out, record.file, f"{path}: curves[{index}].file"), record.file)
        notes.extend([log.note] if log.note else [])
        curves.extend([Curve(record, log.points, log)] if log.points else [])
    return Results(
        recipe=parsed.recipe,
        lock=parsed.lock,
        rows=parsed.rows,
        curves=tuple(curves),
        problems=parsed.problems,
        failures=parsed.failures,
        notes=tuple(dict.fromkeys(notes)),
        candidates=parsed.candidates,
        early_stops=parsed.early_stops,
        reference=parsed.reference,
        cost=read_cost(out),
        unscored=parsed.unscored,
        units=_read_all_units(parsed.rows, out, path),
    )


def _read_all_units(rows: tuple[Row, ...], out: Path, path: Path) -> dict[str, Units]:
    places = {row.units: index for index, row in reversed(list(enumerate(rows))) if row.units}
    found = {
        name: read_units(_log_path(out, name, f"{path}: rows[{index}].units")) for name, index in sorted(places.items())
    }
    return {name: units for name, units in found.items() if units is not None}


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

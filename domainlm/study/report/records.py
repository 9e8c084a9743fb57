"""What reports are made from, as typed and checked records.

Unknown keys are ignored, so that a report of today reads results that say more; what is there must be well formed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, model_validator

from domainlm.api import ReferenceTable
from domainlm.study.report.cost_file import Cost
from domainlm.study.report.labels import clean
from domainlm.study.report.logs import Log
from domainlm.study.report.units import Units

RESULTS_NAME = "results.json"

Label = Annotated[str, AfterValidator(clean)]
Scalar = bool | int | float | str | None
Fact = bool | int | float | Label | None
Varied = Annotated[Mapping[str, Scalar], Field(default_factory=dict)]
"""Varied values of a cell, by key."""


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
    settings: Varied
    units: str = ""
    cell: Varied


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
    cell: Varied


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
    """A stage of one cell that ended with an error; `settings` are those that were tried, where dev chooses some."""

    stage: Label
    error: Annotated[Label, Field(validation_alias=AliasChoices("error", "message"))]
    dataset: Annotated[Label, Field(validation_alias=AliasChoices("dataset", "task"))] = ""
    seed: int | None = None
    model: Label = ""
    arm: Fact = None
    settings: Varied
    cell: Varied

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

    cell: Varied
    task: Label
    metric: Label
    dev_scores: tuple[DevScore, ...]
    best_step: int
    steps_not_made: tuple[int, ...] = ()
    missing_seeds: Mapping[str, tuple[int, ...]] = Field(default_factory=dict)


class ResultsFile(_Record):
    """All of results.json that reports read."""

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

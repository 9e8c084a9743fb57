"""All that a plugin may import, besides `domainlm.hookimpl` and `domainlm.testing`. Standard library only."""

from domainlm.api.problems import Problem, ProblemLog
from domainlm.api.records import Document, Entity, TokenExample
from domainlm.api.reports import CheckpointInfo, RunInfo, RunSummary, Score, StageInfo, StepInfo
from domainlm.api.specs import (
    SPLITS,
    Architecture,
    CorpusSpec,
    ModelSizeSpec,
    RecipeSpec,
    SampleWriter,
    Spec,
    Split,
    TaskKind,
    TaskSpec,
    VocabularySettings,
    VocabularySpec,
    check_spec_name,
    spec_fields,
)
from domainlm.errors import DataError, SpecError, UserError

__all__ = [
    "SPLITS",
    "Architecture",
    "CheckpointInfo",
    "CorpusSpec",
    "DataError",
    "Document",
    "Entity",
    "ModelSizeSpec",
    "Problem",
    "ProblemLog",
    "RecipeSpec",
    "RunInfo",
    "RunSummary",
    "SampleWriter",
    "Score",
    "Spec",
    "SpecError",
    "Split",
    "StageInfo",
    "StepInfo",
    "TaskKind",
    "TaskSpec",
    "TokenExample",
    "UserError",
    "VocabularySettings",
    "VocabularySpec",
    "check_spec_name",
    "spec_fields",
]

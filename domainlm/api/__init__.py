"""All that a plugin may import, besides `domainlm.hookimpl`, `domainlm.reading` and `domainlm.testing`.

Standard library only.
"""

from domainlm.api.fetching import (
    ArchiveMember,
    Details,
    FetchPlan,
    FetchSource,
    FolderListing,
    LeftOut,
    Registration,
    RemoteFile,
    RemoteReader,
)
from domainlm.api.problems import Problem, ProblemLog
from domainlm.api.records import (
    Answer,
    Document,
    Entity,
    Mention,
    Relation,
    RelationExample,
    SequenceExample,
    SpanExample,
    TokenExample,
)
from domainlm.api.references import (
    Claim,
    Conditions,
    FieldValue,
    Finding,
    ReferenceRow,
    ReferenceTable,
    TableLayout,
)
from domainlm.api.relations import PairRules
from domainlm.api.reports import CheckpointInfo, RunInfo, RunSummary, Score, StageInfo, StepInfo
from domainlm.api.sample_writer import SampleWriter
from domainlm.api.spec_base import check_spec_name
from domainlm.api.specs import (
    Architecture,
    CorpusSpec,
    ModelSizeSpec,
    OutputSpec,
    Prediction,
    RecipeSpec,
    Spec,
    VocabularySettings,
    VocabularySpec,
    spec_fields,
)
from domainlm.api.task_spec import SPLITS, Split, TaskKind, TaskSpec
from domainlm.errors import DataError, FetchError, SpecError, UserError

__all__ = [
    "SPLITS",
    "Answer",
    "Architecture",
    "ArchiveMember",
    "CheckpointInfo",
    "Claim",
    "Conditions",
    "CorpusSpec",
    "DataError",
    "Details",
    "Document",
    "Entity",
    "FetchError",
    "FetchPlan",
    "FetchSource",
    "FieldValue",
    "Finding",
    "FolderListing",
    "LeftOut",
    "Mention",
    "ModelSizeSpec",
    "OutputSpec",
    "PairRules",
    "Prediction",
    "Problem",
    "ProblemLog",
    "RecipeSpec",
    "ReferenceRow",
    "ReferenceTable",
    "Registration",
    "Relation",
    "RelationExample",
    "RemoteFile",
    "RemoteReader",
    "RunInfo",
    "RunSummary",
    "SampleWriter",
    "Score",
    "SequenceExample",
    "SpanExample",
    "Spec",
    "SpecError",
    "Split",
    "StageInfo",
    "StepInfo",
    "TableLayout",
    "TaskKind",
    "TaskSpec",
    "TokenExample",
    "UserError",
    "VocabularySettings",
    "VocabularySpec",
    "check_spec_name",
    "spec_fields",
]

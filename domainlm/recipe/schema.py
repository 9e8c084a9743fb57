"""Every key a recipe may have, with its type, unit, range and default.

The text below a field is its documentation: `domainlm recipe keys` and docs/reference/recipe.md print it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from domainlm.recipe.base import Different, Dropout, NotNegative, Positive, Settings
from domainlm.recipe.corpus_settings import TASK_TEXT, CorpusSettings
from domainlm.recipe.measure_settings import MeasureSettings
from domainlm.recipe.mixture_settings import MixtureSettings
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.report_settings import ReportSettings
from domainlm.recipe.slurm_settings import SlurmSettings
from domainlm.recipe.study_settings import StudySettings
from domainlm.recipe.task_settings import FinetuningSettings, TaskSettings


class RequiresSettings(Settings):
    """What a recipe needs to be installed."""

    domainlm: str | None = None
    """Versions of domainlm that can run this recipe, as a PEP 440 specifier (">=0.1,<1")."""
    plugins: dict[str, str] = Field(default_factory=dict)
    """Plugin distributions by name, each with a PEP 440 specifier ("" for any version)."""


class VocabularySettings(Settings):
    """The subword vocabulary."""

    spec: str | None = None
    """Vocabulary spec: learned from the corpus, read from a file, or that of the start; if not given, "core/start" if
    the start has one, otherwise "core/wordpiece"."""
    size: Annotated[int, Field(ge=10)] | None = None
    """Number of entries, special tokens included; the spec's own if not given."""
    cased: bool | None = None
    """Keep capitals and accents; the spec's own choice if not given."""
    min_frequency: Positive = 2
    """Pieces seen less often than this in the corpus are not merged."""
    max_characters: Positive = 1_000_000_000
    """Learn from at most this much of the corpus; of a larger one, from a sample spread evenly over it."""
    num_added_words: NotNegative = 0
    """"core/start" is extended by this many words of the corpus: those that shorten it most (WordPiece only)."""
    file: str | None = None
    """BERT vocab.txt or tokenizer.json, or a folder with one, relative to the recipe, for specs that read one."""


class ModelSettings(Settings):
    """The encoder."""

    size: str | None = None
    """Model-size spec; may be left out if the start is a model, which must otherwise be of this size."""
    architecture: Literal["megatron", "bert"] | None = None
    """Layer normalisation before ("megatron") or after ("bert") each sub-layer; the spec's own if not given."""
    dropout: Dropout | None = None
    """Dropout of hidden states and attention; the spec's own if not given."""
    vocabulary_multiple: Positive = 64
    """The embedding is padded to a multiple of this many rows; the added rows can never be predicted."""


class StartSettings(Settings):
    """What pretraining starts from."""

    kind: Literal["random", "model", "huggingface", "megatron", "general"] = "random"
    """"random": random weights, drawn from pretraining.seed; "model": a model folder of domainlm, or a checkpoint that
    a pretraining kept; "huggingface": a folder of BERT or MegatronBert, or one on the Hugging Face hub; "megatron": a
    BERT checkpoint of Megatron-LM or NeMo, for which model.size and start.vocabulary must be given; "general": a model
    that the run itself pretrains first, on the text of [general] for start.num_steps, with a start.vocabulary that must
    be given. Required if a model is named."""
    num_steps: Positive | None = None
    """Steps of pretraining on [general], for kind "general" only; everything else is as in [pretraining]."""
    path: str | None = None
    """The model, relative to the recipe."""
    hub: str | None = None
    """Name of a model on the Hugging Face hub, instead of a path; needs the extra "hub". What is in the hub's cache is
    not fetched again; with HF_HUB_OFFLINE=1 nothing is fetched."""
    revision: str | None = None
    """Commit, tag or branch of the model on the hub; its main branch if not given."""
    vocabulary: str | None = None
    """The vocabulary of the start, relative to the recipe, if it is not in its folder."""
    vocabulary_transfer: Literal["mean", "random", "similarity"] = "mean"
    """If [vocabulary] asks for another vocabulary, how entries that the start's lacks are initialised: "mean" of the
    sub-tokens that it splits them into (Gee et al. 2022), "random" with the mean and standard deviation of all entries,
    "similarity": mixtures of shared entries that occur in similar contexts of the corpus (after Dobler and de Melo
    2023)."""
    optimizer: Literal["fresh", "carried"] = "fresh"
    """"carried": the optimizer continues with the moments of a domainlm checkpoint; "fresh": it starts without any. The
    learning rate follows [pretraining.schedule] either way, from its warm-up on."""
    copies_shared_entries: bool = True
    """Entries of both vocabularies keep their vectors; if false, they are initialised like the others. Special tokens
    keep theirs."""
    max_similarity_sub_tokens: Positive = 2_000_000
    """"similarity" reads at most this much of the corpus, evenly spread."""


class RuntimeSettings(Settings):
    """The machine."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """"auto" takes a GPU if there is one."""
    precision: Literal["fp32", "bf16", "bf16_weights", "fp16"] = "fp32"
    """Format of matrix products. "bf16" keeps fp32 weights (autocast); "bf16_weights" keeps bf16 weights, with fp32
    master copies in the optimizer; "fp16" keeps fp32 weights and scales the loss (Micikevicius et al. 2018)."""
    compile: bool | Literal["auto"] = "auto"
    """Pretrain with layers compiled by torch.compile; "auto": on a GPU, if they can be compiled and pretraining is
    expected to take minutes. Dropout then draws other numbers. Layers divided over tensor ranks are not compiled."""
    deterministic: bool = True
    """On a GPU, train with kernels that give the same bytes each time. false also allows others, for example a plugin's
    operation that has no such kernel."""
    num_threads: Positive | None = None
    """CPU threads; all cores if not given."""
    num_workers: Positive | None = None
    """Stages that are made at once, each by its own process; if not given, one for each GPU if there are several and
    each cell trains on one, otherwise one. Results do not depend on it."""
    slurm: SlurmSettings = Field(default_factory=SlurmSettings)
    """Jobs of a cluster."""


class Recipe(Settings):
    """A whole recipe."""

    format: Literal[1] = 1
    """Version of the recipe format."""
    name: str
    """Short name for reports."""
    description: str = ""
    """What the recipe asks."""
    requires: RequiresSettings = Field(default_factory=RequiresSettings)
    """What must be installed."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Values for `${name}` in paths. The environment variable DOMAINLM_NAME takes precedence, and --set over both."""
    scale: str | None = None
    """Name of the scale to run at; if not given, the recipe as written."""
    scales: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Scales by name, each a table of dotted recipe keys with the values that it sets; --set overrides them. Tables are
    merged into the existing ones, everything else is replaced, study.axes too; `study.arms.NAME` is what it sets in
    that arm."""
    seeds: Annotated[tuple[NotNegative, ...], Field(strict=False, min_length=1), Different] = (0,)
    """Fine-tuning is run once for each of these seeds."""
    corpus: CorpusSettings
    """The text."""
    general: CorpusSettings | None = None
    """Text of no particular domain: language models are scored on its held-out documents too; if the start is a model,
    it is scored on both before pretraining, which shows what was gained and what forgotten. Nothing is learned from it,
    unless start.kind is "general"."""
    mixture: MixtureSettings = Field(default_factory=MixtureSettings)
    """Other corpora that pretraining reads in turns with it."""
    vocabulary: VocabularySettings = Field(default_factory=VocabularySettings)
    """The subword vocabulary."""
    model: ModelSettings = Field(default_factory=ModelSettings)
    """The encoder."""
    start: StartSettings = Field(default_factory=StartSettings)
    """What pretraining starts from."""
    pretraining: PretrainingSettings
    """Pretraining."""
    finetuning: FinetuningSettings = Field(default_factory=FinetuningSettings)
    """Fine-tuning, for every task."""
    tasks: Annotated[tuple[TaskSettings, ...], Field(strict=False)] = ()
    """The tasks the model is measured on."""
    parallel: ParallelSettings = Field(default_factory=ParallelSettings)
    """The grid of ranks."""
    runtime: RuntimeSettings = Field(default_factory=RuntimeSettings)
    """The machine."""
    measure: MeasureSettings = Field(default_factory=MeasureSettings)
    """What is measured without training. Then corpus (by default the tasks' own text), model and pretraining may be
    left out."""
    study: StudySettings = Field(default_factory=StudySettings)
    """What is varied."""
    report: ReportSettings = Field(default_factory=ReportSettings)
    """What the report looks like."""

    @model_validator(mode="before")
    @classmethod
    def _measured_alone(cls, tables: Any) -> Any:  # noqa: ANN401 - whatever the recipe holds; it is checked afterwards
        if isinstance(tables, dict) and tables.get("measure"):
            return {"corpus": {"spec": TASK_TEXT}, "pretraining": {"num_steps": 0}, **tables}
        return tables

    @model_validator(mode="after")
    def _general_start(self) -> Recipe:
        if self.start.kind == "general" and (self.general is None or self.start.num_steps is None):
            raise ValueError('start.kind "general" needs [general], the text, and start.num_steps')
        if self.start.kind != "general" and self.start.num_steps is not None:
            raise ValueError('start.num_steps is for start.kind = "general"')
        return self

"""Every key a recipe may have, with its type, unit, range and default.

The text below a field is its documentation: `domainlm recipe keys` and docs/reference/recipe.md print it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from domainlm.recipe.base import Dropout, NotNegative, Positive, Scalar, Settings, Share, Strings
from domainlm.recipe.corpus_settings import CorpusSettings, SampleSettings
from domainlm.recipe.parallel_settings import ParallelSettings


class RequiresSettings(Settings):
    """What a recipe needs to be installed."""

    domainlm: str | None = None
    """Versions of domainlm that can run this recipe, as a PEP 440 specifier (">=0.1,<1")."""
    plugins: dict[str, str] = Field(default_factory=dict)
    """Plugin distributions by name, each with a PEP 440 specifier ("" for any version)."""


class VocabularySettings(Settings):
    """The subword vocabulary."""

    spec: str = "core/wordpiece"
    """Vocabulary spec: learned from the corpus, or read from a file."""
    size: Annotated[int, Field(ge=10)] | None = None
    """Number of entries, special tokens included; the spec's own where not given."""
    cased: bool | None = None
    """Keep capitals and accents; the spec's own choice where not given."""
    min_frequency: Positive = 2
    """Pieces seen less often than this in the corpus are not merged."""
    max_characters: Positive = 1_000_000_000
    """Learn from no more of the corpus than this; of a larger one, from a sample spread evenly over it."""
    file: str | None = None
    """BERT vocab.txt or tokenizer.json, relative to the recipe, for specs that read one."""


class ModelSettings(Settings):
    """The encoder."""

    size: str
    """Model-size spec."""
    architecture: Literal["megatron", "bert"] | None = None
    """Layer normalisation before ("megatron") or after ("bert") each sub-layer; the spec's own where not given."""
    dropout: Dropout | None = None
    """Dropout of hidden states and attention; the spec's own where not given."""
    vocabulary_multiple: Positive = 64
    """The embedding is padded to a multiple of this many rows; the added rows can never be predicted."""


class StartSettings(Settings):
    """What pretraining starts from."""

    kind: Literal["random"] = "random"
    """"random": fresh weights, drawn from pretraining.seed."""


class OptimizerSettings(Settings):
    """AdamW (Loshchilov and Hutter 2019), without weight decay on biases and normalisations."""

    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4
    """Peak learning rate."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    """Decoupled weight decay."""
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    """Decay of the first moment."""
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    """Decay of the second moment."""
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-8
    """Added to the denominator."""
    max_gradient_norm: Annotated[float, Field(ge=0.0)] = 1.0
    """Gradients are scaled down to this global norm; 0 leaves them as they are."""


class FinetuningOptimizerSettings(OptimizerSettings):
    """AdamW for fine-tuning (Shin et al. 2020, section 4)."""

    learning_rate: Annotated[float, Field(gt=0.0)] = 5e-5
    """Peak learning rate."""


class ScheduleSettings(Settings):
    """Learning rate over the steps of a phase."""

    warmup_share: Share = 0.1
    """Share of the steps during which the rate rises linearly from zero to its peak."""
    decay: Literal["linear", "cosine", "constant"] = "linear"
    """How it falls afterwards."""
    final_share: Share = 0.0
    """Learning rate at the last step, as a share of the peak."""


class MaskingSettings(Settings):
    """The masked-language-model objective (Devlin et al. 2019, section 3.1)."""

    rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.15
    """Share of the sub-tokens to predict."""
    unit: Literal["whole_word", "sub_token"] = "whole_word"
    """Choose words with all their sub-tokens, or sub-tokens one by one."""
    mask_share: Share = 0.8
    """Of the chosen: share replaced by [MASK]."""
    random_share: Share = 0.1
    """Of the chosen: share replaced by a random entry; the rest stays as it is."""

    @model_validator(mode="after")
    def _shares(self) -> MaskingSettings:
        if self.mask_share + self.random_share > 1.0:
            raise ValueError("mask_share + random_share must not be above 1")
        return self


class PretrainingSettings(Settings):
    """Masked-language-model pretraining on the corpus."""

    num_steps: NotNegative
    """Optimizer steps; 0 leaves the start as it is."""
    num_sequences_per_step: Positive = 64
    """Global batch: sequences per optimizer step, over all ranks."""
    num_sequences_per_micro_batch: Positive = 32
    """Sequences per forward and backward pass; divides the global batch."""
    max_tokens: Annotated[int, Field(ge=16)] = 128
    """Longest sequence in sub-tokens, special tokens included."""
    second_objective: Literal["sentence_order", "none"] = "sentence_order"
    """Predict whether two consecutive segments were swapped (Lan et al. 2020), or nothing besides masked words."""
    masking: MaskingSettings = Field(default_factory=MaskingSettings)
    """Which sub-tokens to predict."""
    optimizer: OptimizerSettings = Field(default_factory=OptimizerSettings)
    """The optimizer of this phase."""
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    """The learning rate of this phase."""
    num_steps_per_checkpoint: Positive = 500
    """A checkpoint is written every so many steps."""
    num_checkpoints_kept: Positive = 1
    """Only the last so many checkpoints are kept."""
    num_steps_per_kept_checkpoint: Positive | None = None
    """Checkpoints of every so many steps are kept besides, also when training has ended; none where not given."""
    num_bad_steps_until_stop: Positive = 3
    """A step whose loss or gradient is not finite is skipped; training stops at so many in a row."""
    seed: NotNegative = 0
    """Seed of the start, the data order, the masks and the dropout."""


CHECKPOINT_SETTINGS = ("num_steps_per_checkpoint", "num_checkpoints_kept", "num_steps_per_kept_checkpoint")
"""Settings of pretraining that decide no byte of the model: how often checkpoints are written and which are kept."""


class HeadSettings(Settings):
    """The classifier on top of the encoder (Shin et al. 2020, section 4)."""

    num_fc_layers: Literal[1, 2] = 1
    """Fully connected layers; the last one gives the labels."""
    fc_hidden: Positive = 512
    """Width of the first of two layers."""
    dropout: Dropout = 0.1
    """Dropout before each fully connected layer."""


class FinetuningSettings(Settings):
    """Training on a task."""

    num_epochs: Positive = 5
    """Passes over the training split."""
    num_sequences_per_step: Positive = 32
    """Global batch: sequences per optimizer step, over all ranks."""
    num_sequences_per_micro_batch: Positive = 32
    """Sequences per forward and backward pass; divides the global batch."""
    max_tokens: Annotated[int, Field(ge=16)] = 128
    """Longest sequence in sub-tokens, special tokens included; longer texts are read in overlapping windows."""
    num_overlap_words: NotNegative = 16
    """Words that neighbouring windows of one text share, at the most."""
    labelling: Literal["first_sub_token", "every_sub_token"] = "first_sub_token"
    """Train on the first sub-token of each word, or on all of them (Shin et al. 2020, section 5.1)."""
    head: HeadSettings = Field(default_factory=HeadSettings)
    """The classifier."""
    optimizer: FinetuningOptimizerSettings = Field(default_factory=FinetuningOptimizerSettings)
    """The optimizer of this phase."""
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    """The learning rate of this phase."""
    num_bad_steps_until_stop: Positive = 3
    """A step whose loss or gradient is not finite is skipped; training stops at so many in a row."""
    choose: Literal["best_dev", "last"] = "best_dev"
    """Which epoch's weights are scored on the test split: the best on dev, or the last."""


class TaskFiles(Settings):
    """The files of a task's splits, relative to the recipe."""

    train: Strings
    """Training files."""
    dev: Strings = ()
    """Files to choose settings and epochs on."""
    test: Strings = ()
    """Files to report scores on."""


class TaskSettings(Settings):
    """A downstream data set."""

    spec: str
    """Task spec: the format, its reader and its usual settings."""
    name: str | None = None
    """What reports call the data set; the last part of the spec's name where not given."""
    folder: str | None = None
    """Folder that holds the files under the spec's own names."""
    files: TaskFiles | None = None
    """The files, where they have other names."""
    sample: SampleSettings | None = None
    """Write and read a synthetic sample instead of files."""
    finetuning: FinetuningSettings | None = None
    """Settings of this task alone, above those of [finetuning]."""

    @model_validator(mode="after")
    def _one_source(self) -> TaskSettings:
        if sum(source is not None for source in (self.folder, self.files, self.sample)) != 1:
            raise ValueError("give one of folder, files and sample")
        return self


class RuntimeSettings(Settings):
    """The machine."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """"auto" takes a GPU where there is one."""
    precision: Literal["fp32", "bf16", "bf16_weights", "fp16"] = "fp32"
    """Format of matrix products. "bf16" keeps fp32 weights (autocast); "bf16_weights" keeps bf16 weights, with fp32
    master copies in the optimizer; "fp16" keeps fp32 weights and scales the loss (Micikevicius et al. 2018)."""
    num_threads: Positive | None = None
    """CPU threads; all cores where not given."""


class StudySettings(Settings):
    """What is varied."""

    axes: dict[str, Annotated[tuple[Scalar, ...], Field(strict=False, min_length=1)]] = Field(default_factory=dict)
    """Dotted recipe keys, each with the values to try; every combination is run, and shared stages only once."""


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
    seeds: Annotated[tuple[NotNegative, ...], Field(strict=False, min_length=1)] = (0,)
    """Fine-tuning is run once for each of these seeds."""
    corpus: CorpusSettings
    """The text."""
    vocabulary: VocabularySettings = Field(default_factory=VocabularySettings)
    """The subword vocabulary."""
    model: ModelSettings
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
    study: StudySettings = Field(default_factory=StudySettings)
    """What is varied."""

"""Every key a recipe may have, with its type, unit, range and default.

The text below a field is its documentation: `domainlm recipe keys` and docs/reference/recipe.md print it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from domainlm.recipe.base import Dropout, NotNegative, Positive, Scalar, Settings, Share, Strings
from domainlm.recipe.corpus_settings import CorpusSettings, SampleSettings
from domainlm.recipe.loss_settings import LossSettings
from domainlm.recipe.mixture_settings import MixtureSettings
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.sequence_settings import SequenceSettings
from domainlm.recipe.span_settings import SpanSettings


class RequiresSettings(Settings):
    """What a recipe needs to be installed."""

    domainlm: str | None = None
    """Versions of domainlm that can run this recipe, as a PEP 440 specifier (">=0.1,<1")."""
    plugins: dict[str, str] = Field(default_factory=dict)
    """Plugin distributions by name, each with a PEP 440 specifier ("" for any version)."""


class VocabularySettings(Settings):
    """The subword vocabulary."""

    spec: str | None = None
    """Vocabulary spec: learned from the corpus, read from a file, or that of the start; where not given "core/start" if
    the start has one, else "core/wordpiece"."""
    size: Annotated[int, Field(ge=10)] | None = None
    """Number of entries, special tokens included; the spec's own where not given."""
    cased: bool | None = None
    """Keep capitals and accents; the spec's own choice where not given."""
    min_frequency: Positive = 2
    """Pieces seen less often than this in the corpus are not merged."""
    max_characters: Positive = 1_000_000_000
    """Learn from no more of the corpus than this; of a larger one, from a sample spread evenly over it."""
    num_added_words: NotNegative = 0
    """"core/start" is grown by so many words of the corpus: those that shorten it most (WordPiece only)."""
    file: str | None = None
    """BERT vocab.txt or tokenizer.json, relative to the recipe, for specs that read one."""


class ModelSettings(Settings):
    """The encoder."""

    size: str | None = None
    """Model-size spec; may be left out where the start is a model, which must otherwise be of this size."""
    architecture: Literal["megatron", "bert"] | None = None
    """Layer normalisation before ("megatron") or after ("bert") each sub-layer; the spec's own where not given."""
    dropout: Dropout | None = None
    """Dropout of hidden states and attention; the spec's own where not given."""
    vocabulary_multiple: Positive = 64
    """The embedding is padded to a multiple of this many rows; the added rows can never be predicted."""


class StartSettings(Settings):
    """What pretraining starts from."""

    kind: Literal["random", "model", "huggingface", "megatron"] = "random"
    """"random": fresh weights, drawn from pretraining.seed; "model": a model folder of this program; "huggingface": a
    folder of BERT or MegatronBert, or one on the Hugging Face hub; "megatron": a BERT checkpoint of Megatron-LM or
    NeMo, for which model.size and start.vocabulary must be given."""
    path: str | None = None
    """The model, relative to the recipe."""
    hub: str | None = None
    """Name of a model on the Hugging Face hub, in place of a path; needs the extra "hub". What its cache holds is not
    fetched again, and HF_HUB_OFFLINE=1 keeps it from asking."""
    revision: str | None = None
    """Commit, tag or branch of the model on the hub; its main branch where not given."""
    vocabulary: str | None = None
    """The vocabulary that belongs to the start, relative to the recipe, where it is not in its folder."""
    vocabulary_transfer: Literal["mean", "random", "similarity"] = "mean"
    """Where [vocabulary] asks for another one, how the vectors of entries start that the start's vocabulary lacks:
    "mean" of the sub-tokens that it cuts them into (Gee et al. 2022), "random" with the mean and the deviation of all,
    "similarity": mixtures of shared entries that occur alike in the corpus (after Dobler and de Melo 2023)."""
    copies_shared_entries: bool = True
    """Entries of both vocabularies keep their vectors, else they start as the others; special tokens keep theirs."""
    max_similarity_sub_tokens: Positive = 2_000_000
    """"similarity" looks at no more of the corpus than this, evenly spread."""


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
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Each layer learns at this share of the rate of the layer above, the embeddings below all (Clark et al. 2020)."""


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
    unit: Literal["whole_word", "sub_token", "span"] = "whole_word"
    """Choose words with all their sub-tokens, sub-tokens one by one, or runs of words (Joshi et al. 2020)."""
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
    packing: bool = True
    """Fill sequences with samples that do not see one another; false: one sample a sequence, and padding."""
    second_objective: Literal["sentence_order", "next_sentence", "none"] = "sentence_order"
    """Predict whether two consecutive segments were swapped (Lan et al. 2020), whether the second one is from another
    document (Devlin et al. 2019), or nothing besides masked words."""
    masking: MaskingSettings = Field(default_factory=MaskingSettings)
    """Which sub-tokens to predict."""
    optimizer: OptimizerSettings = Field(default_factory=OptimizerSettings)
    """The optimizer of this phase."""
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    """The learning rate of this phase."""
    num_embedding_steps: NotNegative = 0
    """In so many steps at first only the word embedding and the heads learn, and all else rests: for a start with a new
    vocabulary, or without a head for masked words."""
    num_frozen_layers: NotNegative = 0
    """Leave so many of the lowest layers as they are."""
    freezes_embeddings: bool = False
    """Leave the embeddings as they are."""
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

    @model_validator(mode="after")
    def _embeddings_learn(self) -> PretrainingSettings:
        if self.num_embedding_steps and self.freezes_embeddings:
            raise ValueError("num_embedding_steps and freezes_embeddings exclude one another")
        return self


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
    sequence: SequenceSettings = Field(default_factory=SequenceSettings)
    """How texts with mentions are read, in sequence tasks."""
    span: SpanSettings = Field(default_factory=SpanSettings)
    """How answers are found, in span tasks."""
    head: HeadSettings = Field(default_factory=HeadSettings)
    """The classifier."""
    loss: LossSettings = Field(default_factory=LossSettings)
    """What training minimises."""
    optimizer: FinetuningOptimizerSettings = Field(default_factory=FinetuningOptimizerSettings)
    """The optimizer of this phase."""
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    """The learning rate of this phase."""
    num_bad_steps_until_stop: Positive = 3
    """A step whose loss or gradient is not finite is skipped; training stops at so many in a row."""
    choose: Literal["best_dev", "last"] = "best_dev"
    """Which epoch's weights are scored on the test split: the best on dev, or the last."""
    patience: Positive | None = None
    """Stop after so many epochs in a row without a better score on dev; with "best_dev" only."""
    minority_views: Positive = 1
    """How often an epoch sees rows with a label besides the most frequent one (Shin et al. 2020, section 5.5)."""
    freezes_embeddings: bool = False
    """Leave the start's embeddings as they are."""
    num_frozen_layers: NotNegative = 0
    """Leave so many of the lowest layers as they are."""
    num_reset_layers: NotNegative = 0
    """Draw so many of the top layers anew before training (Zhang et al. 2021)."""

    @model_validator(mode="after")
    def _patience_needs_dev(self) -> FinetuningSettings:
        if self.patience is not None and self.choose != "best_dev":
            raise ValueError('patience needs choose = "best_dev"')
        return self


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
    after: str | None = None
    """Name of another task: fine-tuning starts from the model of that task with the same seed, not from the language
    model; the head too, where both tasks are of one kind and their heads have the same shape and labels."""
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
    select: Strings = ()
    """Of the axes below finetuning those to choose by dev, for each data set, instead of comparing their values."""

    @model_validator(mode="after")
    def _select_varied(self) -> StudySettings:
        for key in self.select:
            if key not in self.axes or not key.startswith("finetuning."):
                raise ValueError(f"select names {key!r}, which is no axis below finetuning")
        return self


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
    general: CorpusSettings | None = None
    """Text of no particular domain: language models are scored on its held-out documents too, and where the start is a
    model, on both before pretraining, which shows what was gained and what forgotten. Nothing is learned from it."""
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
    study: StudySettings = Field(default_factory=StudySettings)
    """What is varied."""

"""The keys of tasks and of fine-tuning.

The text below a field is its documentation, as in `domainlm.recipe.schema`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from domainlm.recipe.base import Dropout, NotNegative, Positive, Settings, Strings
from domainlm.recipe.corpus_settings import SampleSettings
from domainlm.recipe.loss_settings import LossSettings
from domainlm.recipe.optimizer_settings import FinetuningOptimizerSettings, ScheduleSettings
from domainlm.recipe.sequence_settings import SequenceSettings
from domainlm.recipe.span_settings import SpanSettings


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
    max_examples: Positive | None = None
    """Train on at most this many examples, spread evenly over the training split; a document with relations, or a
    question with all its contexts, is one. All if not given."""
    max_scored_examples: Positive | None = None
    """Score dev and test on at most this many examples each: faster, but not comparable with scores on all."""
    num_sequences_per_step: Positive = 32
    """Global batch: sequences per optimizer step, over all ranks."""
    num_sequences_per_micro_batch: Positive = 32
    """Sequences per forward and backward pass; divides the global batch."""
    max_tokens: Annotated[int, Field(ge=16)] = 128
    """Longest sequence in sub-tokens, special tokens included; longer texts are read in overlapping windows."""
    num_overlap_words: NotNegative = 16
    """Maximum number of words that neighbouring windows of one text share."""
    labelling: Literal["first_sub_token", "every_sub_token"] = "first_sub_token"
    """Train on the first sub-token of each word, or on all of them (Shin et al. 2020, section 5.1)."""
    decoding: Literal["viterbi", "argmax"] = "viterbi"
    """How the labels of words are chosen, in token tasks: the likeliest sequence for the sentence that IOB2 allows (no
    entity continues that has not begun), or the likeliest label of each word by itself."""
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
    """A step whose loss or gradient is not finite is skipped; training stops after this many in a row."""
    choose: Literal["best_dev", "last"] = "best_dev"
    """Which epoch's weights are scored on the test split: the best on dev, or the last."""
    patience: Positive | None = None
    """Stop after this many epochs in a row without a better score on dev; with "best_dev" only."""
    minority_views: Positive = 1
    """How often an epoch sees rows with a label other than the most frequent one (Shin et al. 2020, section 5.5)."""
    freezes_embeddings: bool = False
    """Freeze the start's embeddings."""
    num_frozen_layers: NotNegative = 0
    """Freeze this many of the lowest layers."""
    num_reset_layers: NotNegative = 0
    """Reinitialise this many of the top layers before training (Zhang et al. 2021)."""

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
    """What reports call the data set; the last part of the spec's name if not given."""
    folder: str | None = None
    """Folder that holds the files under the spec's own names."""
    files: TaskFiles | None = None
    """The files, if they have other names."""
    sample: SampleSettings | None = None
    """Write and read a synthetic sample instead of files."""
    after: str | None = None
    """Name of another task: fine-tuning starts from the model of that task with the same seed, not from the language
    model; with its head, if both tasks are of one kind and their heads have the same shape and labels."""
    finetuning: FinetuningSettings | None = None
    """Settings of this task only, which override those of [finetuning]."""

    @model_validator(mode="after")
    def _one_source(self) -> TaskSettings:
        if sum(source is not None for source in (self.folder, self.files, self.sample)) != 1:
            raise ValueError("give one of folder, files and sample")
        return self

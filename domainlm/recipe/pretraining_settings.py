"""The keys of pretraining.

The text below a field is its documentation, as in `domainlm.recipe.schema`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from domainlm.recipe.base import NotNegative, Positive, Settings, Share
from domainlm.recipe.optimizer_settings import OptimizerSettings, ScheduleSettings


class MaskingSettings(Settings):
    """The masked-language-model objective (Devlin et al. 2019, section 3.1)."""

    rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.15
    """Share of the sub-tokens to predict."""
    unit: Literal["whole_word", "sub_token", "span"] = "whole_word"
    """Choose words with all their sub-tokens, sub-tokens one by one, or spans of words (Joshi et al. 2020)."""
    mask_share: Share = 0.8
    """Of the chosen: share replaced by [MASK]."""
    random_share: Share = 0.1
    """Of the chosen: share replaced by a random entry; the rest stays as it is."""

    @model_validator(mode="after")
    def _shares(self) -> MaskingSettings:
        if self.mask_share + self.random_share > 1.0:
            raise ValueError("mask_share + random_share must not be above 1")
        return self


class EarlyStopSettings(Settings):
    """Pretraining goes on from one scored step to the next only while a task's dev score rises."""

    task: str
    """Name of the task, as reports call it; the mean over the seeds on its dev split decides."""
    patience: Positive = 1
    """Stop after this many scored steps in a row without a better score."""


class PretrainingSettings(Settings):
    """Masked-language-model pretraining on the corpus."""

    num_steps: NotNegative
    """Optimizer steps; 0 leaves the start as it is. With max_minutes, no more than these."""
    max_minutes: Annotated[float, Field(gt=0.0)] | None = None
    """Pretrain for about this long: a fiftieth of the time measures the speed of the first steps, which are discarded,
    and the phase and its schedule have as many steps as fit into the rest. So the model depends on the machine. The
    number is kept, so that a stopped run ends as it would have. On one rank only, in precision fp32 or bf16, and
    without activation checkpointing."""
    scored_steps: Annotated[tuple[Positive, ...], Field(strict=False)] = ()
    """Steps after which the model is scored and fine-tuned, as at the end; those from num_steps on do not count."""
    early_stop: EarlyStopSettings | None = None
    """End at a scored step, by the dev score of a task."""
    num_steps_per_score: Positive | None = None
    """Interval in steps at which the loss on the held-out documents, of [general] too, is measured for the curves. On
    one rank only, in precision fp32 or bf16, and without activation checkpointing."""
    num_sequences_per_step: Positive = 64
    """Global batch: sequences per optimizer step, over all ranks."""
    num_sequences_per_micro_batch: Positive = 32
    """Sequences per forward and backward pass; divides the global batch."""
    max_tokens: Annotated[int, Field(ge=16)] = 128
    """Longest sequence in sub-tokens, special tokens included."""
    packing: bool = True
    """Fill sequences with samples that do not attend to one another; false: one sample per sequence, and padding."""
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
    """In this many first steps only the word embedding and the heads learn, and everything else is frozen: for a start
    with a new vocabulary, or without a head for masked words."""
    num_frozen_layers: NotNegative = 0
    """Freeze this many of the lowest layers."""
    freezes_embeddings: bool = False
    """Freeze the embeddings."""
    num_steps_per_checkpoint: Positive = 500
    """Interval in steps at which a checkpoint is written."""
    num_checkpoints_kept: Positive = 1
    """How many checkpoints are kept, the last ones."""
    num_steps_per_kept_checkpoint: Positive | None = None
    """Checkpoints at this interval in steps are kept as well, also after training has ended; none if not given."""
    checkpoints_in_background: bool = True
    """Train on while a checkpoint is written from a copy in memory; false: training waits, and nothing is copied."""
    num_bad_steps_until_stop: Positive = 3
    """A step whose loss or gradient is not finite is skipped; training stops after this many in a row."""
    seed: NotNegative = 0
    """Seed of the start, the data order, the masks and the dropout."""

    @model_validator(mode="after")
    def _embeddings_learn(self) -> PretrainingSettings:
        if self.num_embedding_steps and self.freezes_embeddings:
            raise ValueError("num_embedding_steps and freezes_embeddings exclude one another")
        return self

    @model_validator(mode="after")
    def _scored_steps_known(self) -> PretrainingSettings:
        if list(self.scored_steps) != sorted(set(self.scored_steps)):
            raise ValueError("scored_steps must rise")
        if self.scored_steps and self.max_minutes is not None:
            raise ValueError("scored_steps need a number of steps that is known beforehand: leave out max_minutes")
        if self.early_stop is not None and not self.scored_steps:
            raise ValueError("early_stop needs scored_steps to stop at")
        return self

    @property
    def last_step(self) -> int:
        """Where pretraining ends: in a cell the scored step that it stands for (`domainlm.recipe.scored_steps`)."""
        return min([*self.scored_steps[:1], self.num_steps])

    def deciding(self) -> dict[str, Any]:
        """The settings that decide the weights, as JSON values; max_minutes is among them only where it is given."""
        kept = self.model_dump(mode="json", exclude={*CHECKPOINT_SETTINGS, *SCORING_SETTINGS})
        if self.max_minutes is None:
            del kept["max_minutes"]
        return kept


CHECKPOINT_SETTINGS = (
    "num_steps_per_checkpoint",
    "num_checkpoints_kept",
    "num_steps_per_kept_checkpoint",
    "checkpoints_in_background",
)
"""Settings of pretraining that decide no byte of the model: when and how checkpoints are written, which are kept."""

SCORING_SETTINGS = ("scored_steps", "early_stop", "num_steps_per_score")
"""Settings that decide no byte of the model either, but when it is looked at."""

"""The keys of a recipe's [corpus]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from domainlm.recipe.base import NotNegative, Positive, Settings, Strings
from domainlm.text.corpus import HIGHEST_HELD_OUT_SHARE

TASK_TEXT = "core/task-text"
"""The corpus spec that reads no files of its own, but the training texts of the recipe's tasks."""


class SampleSettings(Settings):
    """A synthetic sample that the spec writes itself, in place of files."""

    num_documents: Positive
    """Number of documents to write (for a task: of its training split; dev and test are smaller)."""
    seed: NotNegative = 0
    """Seed of the sample's grammar."""


class DeduplicationSettings(Settings):
    """Documents that say what an earlier one says are left out; the first one in the order of the corpus stays."""

    exact: bool = True
    """Leave out documents of the same text, after normalisation."""
    near: Literal[False] | Annotated[float, Field(gt=0.0, lt=1.0)] = False
    """Leave out documents whose shingles have at least this Jaccard similarity; 0.8 is a common choice."""
    num_words: Positive = 5
    """Words of a shingle."""


class LeakGuardSettings(Settings):
    """Documents that hold text of a task's dev or test split are left out and listed."""

    enabled: bool = True
    """Look for such documents."""
    num_words: Positive = 10
    """Words of a run; case and punctuation do not count."""
    min_shared: Positive = 4
    """A document is left out if it shares at least this many different runs with dev and test texts..."""
    min_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """... or at least this share of its own runs, which finds short documents."""


class CorpusSettings(Settings):
    """The text to pretrain on and to learn a vocabulary from."""

    spec: str
    """Corpus spec: the format and its reader."""
    files: Strings = ()
    """Files, folders or glob patterns, relative to the recipe."""
    sample: SampleSettings | None = None
    """Write and read a synthetic sample instead of files."""
    max_documents: Positive | None = None
    """Take at most this many documents, the first ones. Those without text, which only remove others, do not count."""
    held_out_share: Annotated[float, Field(gt=0.0, le=HIGHEST_HELD_OUT_SHARE)] = 0.02
    """Share of the documents kept out of pretraining, for language-model scores."""
    deduplication: DeduplicationSettings = Field(default_factory=DeduplicationSettings)
    """Which duplicates are left out."""
    leak_guard: LeakGuardSettings = Field(default_factory=LeakGuardSettings)
    """How documents that overlap dev and test splits are found."""
    on_bad_input: Literal["refuse", "skip"] = "refuse"
    """Input that cannot be read (another encoding, a damaged file): stop with an error, or skip it and count it."""

    @model_validator(mode="after")
    def _one_source(self) -> CorpusSettings:
        if self.spec == TASK_TEXT:
            if self.files or self.sample is not None:
                raise ValueError(
                    f"{TASK_TEXT} reads the training splits of the recipe's tasks: leave out files and sample"
                )
        elif bool(self.files) == (self.sample is not None):
            raise ValueError("give either files or sample")
        return self

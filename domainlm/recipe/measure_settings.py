"""The keys of a recipe's [measure]: what can be said of data and vocabularies without training anything."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from domainlm.recipe.base import Settings, Strings

CorpusFact = Literal["documents", "sentences", "words", "characters"]
MeasuredSplit = Literal["train", "dev", "test"]


class MeasureSettings(Settings):
    """What is measured on data as it stands. Where any of it is asked for, nothing is trained."""

    break_up_rate: bool = False
    """Sub-tokens per word inside the entities of each token task, with the vocabulary (Shin et al. 2020, table 3)."""
    task_facts: Strings = ()
    """Facts of each task, by the names that `domainlm task stats` prints ("examples", "label bias"); a task without
    such a fact has no row."""
    splits: Annotated[tuple[MeasuredSplit, ...], Field(strict=False, min_length=1)] = ("train",)
    """Splits of the tasks to measure."""
    corpus_facts: Annotated[tuple[CorpusFact, ...], Field(strict=False)] = ()
    """What to count in [corpus] and each of [[mixture.corpora]], held-out documents included."""

    @property
    def is_asked_for(self) -> bool:
        """Whether anything is measured, so that nothing is trained."""
        return bool(self.break_up_rate or self.task_facts or self.corpus_facts)

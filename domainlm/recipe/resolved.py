"""A recipe with every name in it looked up and every file found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from domainlm.api import CorpusSpec, ModelSizeSpec, Split, TaskSpec, VocabularySpec
from domainlm.api import VocabularySettings as LearnSettings
from domainlm.recipe.cells import Cell
from domainlm.recipe.corpus_settings import CorpusSettings, SampleSettings
from domainlm.recipe.grid import ResolvedGrid
from domainlm.recipe.load import LoadedRecipe
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import Recipe
from domainlm.recipe.start import START_VOCABULARY, ResolvedStart
from domainlm.recipe.task_settings import FinetuningSettings


@dataclass(frozen=True, slots=True)
class ResolvedCorpus:
    """A corpus with its reader and its files (none where a sample is written), and what reports call it."""

    spec: CorpusSpec
    settings: CorpusSettings
    files: tuple[Path, ...]
    name: str


@dataclass(frozen=True, slots=True)
class ResolvedVocabulary:
    """A vocabulary to learn (`learn`) or to read (`file`)."""

    spec: VocabularySpec
    learn: LearnSettings | None
    file: Path | None
    cased: bool | None
    num_added_words: int = 0

    @property
    def is_that_of_the_start(self) -> bool:
        """Whether the start keeps its own vocabulary, entry by entry."""
        return self.spec.name == START_VOCABULARY and not self.num_added_words


@dataclass(frozen=True, slots=True)
class ResolvedTask:
    """A task with its files by split (none where a sample is written) and its merged fine-tuning settings.

    `after` is the name of the task whose model it starts from; None for the language model.
    """

    spec: TaskSpec
    name: str
    files: Mapping[Split, tuple[Path, ...]]
    sample: SampleSettings | None
    finetuning: FinetuningSettings
    after: str | None = None


def training_phases(
    recipe: Recipe, tasks: Iterable[ResolvedTask]
) -> list[tuple[str, PretrainingSettings | FinetuningSettings]]:
    """Pretraining and each fine-tuning, with the name that messages give it; it begins with the recipe's key."""
    phases: list[tuple[str, PretrainingSettings | FinetuningSettings]] = [("pretraining", recipe.pretraining)]
    return [*phases, *((f"finetuning of {task.name}", task.finetuning) for task in tasks)]


@dataclass(frozen=True, slots=True)
class ResolvedCell:
    """One cell of the study, everything named in it looked up, and the grid that trains it."""

    cell: Cell
    corpus: ResolvedCorpus
    vocabulary: ResolvedVocabulary
    size: ModelSizeSpec
    tasks: tuple[ResolvedTask, ...]
    grid: ResolvedGrid
    start: ResolvedStart | None = None
    size_is_declared: bool = True
    general: ResolvedCorpus | None = None
    mixed: tuple[ResolvedCorpus, ...] = ()

    @property
    def corpora(self) -> tuple[ResolvedCorpus, ...]:
        """All that pretraining reads."""
        return (self.corpus, *self.mixed)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A recipe that can be run as it stands."""

    loaded: LoadedRecipe
    cells: tuple[ResolvedCell, ...]

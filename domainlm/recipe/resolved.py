"""A recipe with every name in it looked up and every file found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from domainlm.api import SPLITS, CorpusSpec, ModelSizeSpec, ReferenceTable, Split, TaskSpec, VocabularySpec
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

    def companions(self, *splits: Split) -> tuple[Path, ...]:
        """The further files that the reader opens beside those of these splits, or of all of them; each once."""
        paths = [path for split, files in self.files.items() if split in (splits or SPLITS) for path in files]
        return tuple(dict.fromkeys(each for path in paths for each in self.spec.with_companions(path)[1:]))


def training_phases(
    recipe: Recipe, tasks: Iterable[ResolvedTask]
) -> list[tuple[str, PretrainingSettings | FinetuningSettings]]:
    """Pretraining and each fine-tuning, with the name that messages give it; it begins with the recipe's key."""
    phases: list[tuple[str, PretrainingSettings | FinetuningSettings]] = [("pretraining", recipe.pretraining)]
    return [*phases, *((f"finetuning of {task.name}", task.finetuning) for task in tasks)]


@dataclass(frozen=True, slots=True)
class ResolvedCell:
    """One cell of the study, everything named in it looked up, and the grid that trains it.

    Attributes:
        definition: the cell as the recipe has it.
    """

    definition: Cell
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

    @property
    def learned(self) -> tuple[ResolvedCorpus, ...]:
        """All that a model learns from before it is fine-tuned."""
        read = self.corpora if self.definition.recipe.pretraining.num_steps else ()
        learns_start = self.start is not None and self.start.kind == "general" and self.general is not None
        return (*read, self.general) if learns_start and self.general is not None else read

    @property
    def scored(self) -> tuple[ResolvedCorpus, ...]:
        """All on whose held-out documents language models are scored."""
        return (self.corpus,) if self.general is None else (self.corpus, self.general)


class CellData(Protocol):
    """What cells that train and cells that only measure have in common: text, vocabulary and tasks."""

    @property
    def definition(self) -> Cell:
        """The cell as the recipe has it."""

    @property
    def vocabulary(self) -> ResolvedVocabulary:
        """The vocabulary."""

    @property
    def tasks(self) -> tuple[ResolvedTask, ...]:
        """The tasks."""

    @property
    def start(self) -> ResolvedStart | None:
        """The model whose vocabulary may be taken; None where there is none."""


@dataclass(frozen=True, slots=True)
class MeasuredCell:
    """A cell in which nothing is trained.

    Attributes:
        definition: the cell as the recipe has it.
        found_vocabulary: None where nothing asks for a vocabulary.
    """

    definition: Cell
    corpora: tuple[ResolvedCorpus, ...]
    found_vocabulary: ResolvedVocabulary | None
    tasks: tuple[ResolvedTask, ...]
    start: ResolvedStart | None = None

    @property
    def vocabulary(self) -> ResolvedVocabulary:
        """The vocabulary; only where something asks for it."""
        assert self.found_vocabulary is not None, "break-up rates are not asked for"
        return self.found_vocabulary


@dataclass(frozen=True, slots=True)
class Resolved:
    """A recipe that can be run as it stands: cells that train, or cells that only measure."""

    loaded: LoadedRecipe
    cells: tuple[ResolvedCell, ...]
    reference: ReferenceTable | None = None
    measured: tuple[MeasuredCell, ...] = ()

    @property
    def num_cells(self) -> int:
        """How many there are of either."""
        return len(self.cells) + len(self.measured)

    @property
    def task_names(self) -> list[str]:
        """Names of the first cell's tasks."""
        every_cell: tuple[CellData, ...] = (*self.cells, *self.measured)
        return [task.name for task in every_cell[0].tasks]

"""Names to specs, patterns to files, and every check that can be made before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from domainlm.api import SPLITS, CorpusSpec, ModelSizeSpec, Split, TaskSpec, VocabularySpec
from domainlm.api import VocabularySettings as LearnSettings
from domainlm.errors import RecipeError
from domainlm.plugin.registry import Registry
from domainlm.recipe.corpus_settings import TASK_TEXT, CorpusSettings, SampleSettings
from domainlm.recipe.load import Cell, LoadedRecipe
from domainlm.recipe.memory import check_memory
from domainlm.recipe.requires import check_requires
from domainlm.recipe.schema import (
    FinetuningSettings,
    PretrainingSettings,
    Recipe,
    TaskSettings,
)
from domainlm.recipe.start import START_VOCABULARY, ResolvedStart, resolve_start, start_size, start_vocabulary
from domainlm.recipe.toml_source import Table
from domainlm.recipe.validate import validate_settings
from domainlm.text.files import expand_files


@dataclass(frozen=True, slots=True)
class ResolvedCorpus:
    """A corpus with its reader and its files (none where a sample is written)."""

    spec: CorpusSpec
    settings: CorpusSettings
    files: tuple[Path, ...]


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
    """A task with its files by split (none where a sample is written) and its merged fine-tuning settings."""

    spec: TaskSpec
    name: str
    files: Mapping[Split, tuple[Path, ...]]
    sample: SampleSettings | None
    finetuning: FinetuningSettings


@dataclass(frozen=True, slots=True)
class ResolvedCell:
    """One cell of the study, everything named in it looked up."""

    cell: Cell
    corpus: ResolvedCorpus
    vocabulary: ResolvedVocabulary
    size: ModelSizeSpec
    tasks: tuple[ResolvedTask, ...]
    start: ResolvedStart | None = None
    size_is_declared: bool = True
    general: ResolvedCorpus | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A recipe that can be run as it stands."""

    loaded: LoadedRecipe
    cells: tuple[ResolvedCell, ...]


def resolve(loaded: LoadedRecipe, registry: Registry) -> Resolved:
    """Look up every name, find every file and check what can be checked.

    Raises:
        UserError: a name no plugin gives, a file that is not there, settings that do not fit together, a model that
            does not fit into this machine's memory, a plugin the recipe requires and that is missing.
    """
    check_requires(loaded.recipe.requires, loaded.path)
    cells = tuple(_resolve_cell(cell, loaded, registry) for cell in loaded.cells)
    return Resolved(loaded, cells)


def _resolve_cell(cell: Cell, loaded: LoadedRecipe, registry: Registry) -> ResolvedCell:
    recipe = cell.recipe

    def where(key: str) -> str:
        return f"{loaded.source.origin(key)}: {key}"

    corpus_spec = registry.corpus(recipe.corpus.spec, where=where("corpus.spec"))
    corpus = ResolvedCorpus(
        corpus_spec, recipe.corpus, _corpus_files(recipe.corpus, corpus_spec, where("corpus.files"))
    )
    start = resolve_start(recipe.start, where("start"))
    size, is_declared = start_size(start, recipe.model, registry, where("model.size"))
    vocabulary = _vocabulary(recipe, registry, start, where("vocabulary"))
    tasks = tuple(_task(entry, index, recipe, registry, loaded) for index, entry in enumerate(recipe.tasks))
    _check_task_names(tasks, where("tasks"))
    if corpus_spec.name == TASK_TEXT and not tasks:
        raise RecipeError(f"{TASK_TEXT} needs tasks", where=where("corpus.spec"), remedy="add [[tasks]] to the recipe")
    general = _general(recipe.general, registry, where("general"))
    resolved = ResolvedCell(cell, corpus, vocabulary, size, tasks, start, is_declared, general)
    _check_numbers(resolved, loaded)
    check_memory(resolved.cell.recipe, size, vocabulary.learn, vocabulary.file, where("model.size"))
    return resolved


def _general(settings: CorpusSettings | None, registry: Registry, where: str) -> ResolvedCorpus | None:
    if settings is None:
        return None
    spec = registry.corpus(settings.spec, where=f"{where}.spec")
    return ResolvedCorpus(spec, settings, _corpus_files(settings, spec, f"{where}.files"))


def _corpus_files(settings: CorpusSettings, spec: CorpusSpec, where: str) -> tuple[Path, ...]:
    if settings.sample is not None:
        _check_sample(spec, where)
        return ()
    if settings.spec == TASK_TEXT:
        return ()
    return expand_files(settings.files, Path.cwd(), spec.patterns)


def _check_sample(spec: CorpusSpec | TaskSpec, where: str) -> None:
    if spec.sample is None:
        raise RecipeError(
            f"{spec.name} writes no synthetic sample", where=where, remedy="give the files of the real data instead"
        )


def _vocabulary(recipe: Recipe, registry: Registry, start: ResolvedStart | None, where: str) -> ResolvedVocabulary:
    settings = recipe.vocabulary
    usual = "core/wordpiece" if start is None else START_VOCABULARY
    spec = registry.vocabulary(settings.spec or usual, where=f"{where}.spec")
    if spec.name == START_VOCABULARY:
        file, cased = start_vocabulary(start, settings, where)
        return ResolvedVocabulary(spec, None, file, cased, settings.num_added_words)
    if settings.num_added_words:
        raise RecipeError(
            f"only {START_VOCABULARY} can be grown by words",
            where=f"{where}.num_added_words",
            given=settings.num_added_words,
            remedy=f'use spec = "{START_VOCABULARY}" and a start, or leave num_added_words out',
        )
    if spec.algorithm == "file":
        named = Path(settings.file) if settings.file is not None else spec.file
        if named is None:
            raise RecipeError(
                f"{spec.name} reads a file, and none is named", where=where, remedy="add file = ... to [vocabulary]"
            )
        return ResolvedVocabulary(spec, None, expand_files([str(named)], Path.cwd(), ("*",))[0], settings.cased)
    if settings.file is not None:
        raise RecipeError(
            f"{spec.name} is learned from the corpus",
            where=f"{where}.file",
            remedy='use spec = "core/file" to read one',
        )
    size = settings.size if settings.size is not None else spec.size
    if size is None:
        raise RecipeError(f"{spec.name} has no size of its own", where=where, remedy="add size = ... to [vocabulary]")
    cased = spec.cased if settings.cased is None else settings.cased
    learn = LearnSettings(
        size=size, cased=cased, min_frequency=settings.min_frequency, max_characters=settings.max_characters
    )
    return ResolvedVocabulary(spec, learn, None, cased)


def _task(settings: TaskSettings, index: int, recipe: Recipe, registry: Registry, loaded: LoadedRecipe) -> ResolvedTask:
    key = f"tasks.{index}"
    where = f"{loaded.source.origin(key)}: {key}"
    spec = registry.task(settings.spec, where=f"{where}.spec")
    if settings.sample is not None:
        _check_sample(spec, where)
    return ResolvedTask(
        spec=spec,
        name=settings.name or spec.name.split("/", 1)[1],
        files=_task_files(settings, spec, where),
        sample=settings.sample,
        finetuning=_finetuning(settings, spec, recipe, where),
    )


def _task_files(settings: TaskSettings, spec: TaskSpec, where: str) -> dict[Split, tuple[Path, ...]]:
    if settings.files is not None:
        named = {"train": settings.files.train, "dev": settings.files.dev, "test": settings.files.test}
        return {split: expand_files(named[split], Path.cwd(), ("*",)) for split in SPLITS if named[split]}
    if settings.folder is None:
        return {}
    folder = Path(settings.folder)
    found: dict[Split, tuple[Path, ...]] = {}
    for split, names in spec.files.items():
        candidates = [folder / variant for name in names for variant in (name, f"{name}.gz")]
        there = next((path for path in candidates if path.is_file()), None)
        if there is not None:
            found[split] = (there,)
    if "train" not in found:
        raise RecipeError(
            f"no training file of {spec.name} in this folder",
            where=f"{where}.folder",
            given=settings.folder,
            allowed=", ".join(spec.files.get("train", ())) or "this spec names no files: use files = { train = ... }",
            remedy=f"the data: {spec.source}" if spec.source else None,
        )
    return found


def _finetuning(settings: TaskSettings, spec: TaskSpec, recipe: Recipe, where: str) -> FinetuningSettings:
    """Schema defaults < the task spec's own < the recipe's [finetuning] < the task's own."""
    merged: Table = {}
    layers: list[Table] = [dict(spec.defaults), recipe.finetuning.model_dump(exclude_unset=True)]
    if settings.finetuning is not None:
        layers.append(settings.finetuning.model_dump(exclude_unset=True))
    for layer in layers:
        _lay_over(merged, layer)
    return validate_settings(FinetuningSettings, merged, lambda _: f"{where}.finetuning (with {spec.name}'s defaults)")


def _lay_over(below: Table, above: Table) -> None:
    for key, value in above.items():
        if isinstance(value, Mapping):
            below[key] = dict(below.get(key, {}))
            _lay_over(below[key], dict(value))
        else:
            below[key] = value


def _check_task_names(tasks: tuple[ResolvedTask, ...], where: str) -> None:
    names = [task.name for task in tasks]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError("two tasks have one name", where=where, given=name, remedy="give each a name = ...")


def _check_numbers(resolved: ResolvedCell, loaded: LoadedRecipe) -> None:
    recipe = resolved.cell.recipe
    phases: list[tuple[str, PretrainingSettings | FinetuningSettings]] = [("pretraining", recipe.pretraining)]
    phases += [(f"finetuning of {task.name}", task.finetuning) for task in resolved.tasks]
    for label, phase in phases:
        key = label.split(" ")[0]
        where = f"{loaded.source.origin(key)}: {label}"
        if phase.num_sequences_per_step % phase.num_sequences_per_micro_batch:
            raise RecipeError(
                "num_sequences_per_micro_batch does not divide num_sequences_per_step",
                where=where,
                given=f"{phase.num_sequences_per_step} / {phase.num_sequences_per_micro_batch}",
                remedy="choose a divisor of the global batch",
            )
        if phase.max_tokens > resolved.size.max_positions:
            raise RecipeError(
                f"max_tokens is above the {resolved.size.max_positions} positions of {resolved.size.name}",
                where=where,
                given=phase.max_tokens,
                allowed=f"16 to {resolved.size.max_positions}",
            )

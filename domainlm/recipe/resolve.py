"""Names to specs, patterns to files, and every check that can be made before anything runs."""

from __future__ import annotations

from pathlib import Path

from domainlm.api import SPLITS, CorpusSpec, ModelSizeSpec, ReferenceTable, Split, TaskSpec, VocabularySpec
from domainlm.api import VocabularySettings as LearnSettings
from domainlm.errors import RecipeError
from domainlm.plugin.registry import Registry
from domainlm.recipe.cell_grid import cell_grid
from domainlm.recipe.cells import Cell
from domainlm.recipe.corpus_settings import TASK_TEXT, CorpusSettings
from domainlm.recipe.devices import Devices
from domainlm.recipe.finetuning import finetuning_of
from domainlm.recipe.load import LoadedRecipe
from domainlm.recipe.order import check_order
from domainlm.recipe.requires import check_requires
from domainlm.recipe.resolved import (
    MeasuredCell,
    Resolved,
    ResolvedCell,
    ResolvedCorpus,
    ResolvedTask,
    ResolvedVocabulary,
    training_phases,
)
from domainlm.recipe.schema import Recipe, VocabularySettings
from domainlm.recipe.scored_steps import check_early_stop
from domainlm.recipe.scored_texts import check_scored_texts
from domainlm.recipe.selection import check_selection
from domainlm.recipe.start import (
    START_VOCABULARY,
    ResolvedStart,
    check_carried,
    resolve_start,
    start_size,
    start_vocabulary,
)
from domainlm.recipe.task_facts import check_task_facts
from domainlm.recipe.task_settings import TaskSettings
from domainlm.recipe.vocabulary_file import vocabulary_file
from domainlm.text.paths import expand_files, files_named


def resolve(loaded: LoadedRecipe, registry: Registry, devices: Devices | None = None) -> Resolved:
    """Look up every name, find every file and check what can be checked.

    Args:
        loaded: the recipe.
        registry: who gives which name.
        devices: what there is to compute on; found out where None.

    Raises:
        UserError: a name no plugin gives, a file that is not there, settings that do not fit together, a model that
            does not fit into this machine's memory, a plugin the recipe requires and that is missing.
    """
    check_requires(loaded.recipe.requires, loaded.path)
    trained = [cell for cell in loaded.cells if not cell.recipe.measure.is_asked_for]
    cells = tuple(_resolve_cell(cell, loaded, registry, devices) for cell in trained)
    check_selection(loaded, {task.name for cell in cells for task in cell.tasks if not _has_dev(task)})
    asked = [cell for cell in loaded.cells if cell.recipe.measure.is_asked_for]
    measured = tuple(_measured_cell(cell, loaded, registry) for cell in asked)
    kinds = {task.spec.kind for cell in measured for task in cell.tasks}
    facts = dict.fromkeys(name for cell in asked for name in cell.recipe.measure.task_facts)
    check_task_facts(facts, kinds, _where(loaded, "measure.task_facts"))
    return Resolved(loaded, cells, reference=_reference(loaded, registry), measured=measured)


def _reference(loaded: LoadedRecipe, registry: Registry) -> ReferenceTable | None:
    name = loaded.recipe.report.reference
    key = "report.reference"
    return None if name is None else registry.reference_table(name, where=f"{loaded.source.origin(key)}: {key}")


def _has_dev(task: ResolvedTask) -> bool:
    return task.sample is not None or bool(task.files.get("dev"))


def _resolve_cell(cell: Cell, loaded: LoadedRecipe, registry: Registry, devices: Devices | None) -> ResolvedCell:
    recipe = cell.recipe

    def where(key: str) -> str:
        return _where(loaded, key)

    corpus, *mixed = _corpora(recipe, loaded, registry)
    start = resolve_start(recipe.start, where("start"))
    size, is_declared = start_size(start, recipe.model, registry, where("model.size"))
    vocabulary = _vocabulary(recipe, registry, start, where("vocabulary"))
    check_carried(start, keeps_vocabulary=vocabulary.is_that_of_the_start, where=where("start"))
    tasks = _tasks(recipe, loaded, registry)
    check_order({task.name: task.after for task in tasks}, where("tasks"))
    check_early_stop(recipe.pretraining, {task.name: _has_dev(task) for task in tasks}, where("pretraining.early_stop"))
    general = None if recipe.general is None else _corpus(recipe.general, None, registry, where("general"))
    for key, each in (("corpus", corpus), ("general", general), *(("mixture.corpora", each) for each in mixed)):
        if each is not None and each.spec.name == TASK_TEXT and not tasks:
            raise RecipeError(f"{TASK_TEXT} needs tasks", where=where(key), remedy="add [[tasks]] to the recipe")
    _check_numbers(recipe, tasks, size, loaded)
    replayed = {where(f"mixture.corpora.{number}"): each for number, each in enumerate(mixed)}
    domain, apart = {where("corpus"): corpus}, {} if general is None else {where("general"): general}
    learned = (domain | replayed) if recipe.pretraining.num_steps else {}
    check_scored_texts(learned | (apart if recipe.start.kind == "general" else {}), domain | apart)
    grid = cell_grid(recipe, size, vocabulary, tasks, where("model.size"), devices)
    return ResolvedCell(cell, corpus, vocabulary, size, tasks, grid, start, is_declared, general, tuple(mixed))


def _measured_cell(cell: Cell, loaded: LoadedRecipe, registry: Registry) -> MeasuredCell:
    """Only what is asked for is looked up: nothing needs a vocabulary, a corpus or a task for its own sake."""
    recipe, asked = cell.recipe, cell.recipe.measure
    start = resolve_start(recipe.start, _where(loaded, "start")) if asked.break_up_rate else None
    vocabulary = _vocabulary(recipe, registry, start, _where(loaded, "vocabulary")) if asked.break_up_rate else None
    is_read = asked.corpus_facts or (vocabulary is not None and vocabulary.file is None)
    corpora = _corpora(recipe, loaded, registry) if is_read else ()
    tasks = _tasks(recipe, loaded, registry)
    if not tasks and (asked.break_up_rate or asked.task_facts):
        raise RecipeError(
            "there are no tasks to measure", where=_where(loaded, "measure"), remedy="add [[tasks]] to the recipe"
        )
    return MeasuredCell(cell, corpora, vocabulary, tasks, start)


def _where(loaded: LoadedRecipe, key: str) -> str:
    return f"{loaded.source.origin(key)}: {key}"


def _corpora(recipe: Recipe, loaded: LoadedRecipe, registry: Registry) -> tuple[ResolvedCorpus, ...]:
    """[corpus], then those of the mixture."""
    corpora = (
        _corpus(recipe.corpus, None, registry, _where(loaded, "corpus")),
        *(
            _corpus(settings, settings.name, registry, _where(loaded, f"mixture.corpora.{index}"))
            for index, settings in enumerate(recipe.mixture.corpora)
        ),
    )
    _check_names("corpora", [each.name for each in corpora], _where(loaded, "mixture.corpora"))
    return corpora


def _tasks(recipe: Recipe, loaded: LoadedRecipe, registry: Registry) -> tuple[ResolvedTask, ...]:
    tasks = tuple(_task(entry, index, recipe, registry, loaded) for index, entry in enumerate(recipe.tasks))
    _check_names("tasks", [task.name for task in tasks], _where(loaded, "tasks"))
    return tasks


def _corpus(settings: CorpusSettings, name: str | None, registry: Registry, where: str) -> ResolvedCorpus:
    spec = registry.corpus(settings.spec, where=f"{where}.spec")
    return ResolvedCorpus(spec, settings, _corpus_files(settings, spec, f"{where}.files"), name or spec.name)


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
        _check_unlearned(settings, spec, where)
        is_of_the_spec = settings.file is None  # of a file that the recipe names a spec knows nothing
        cased = spec.cased if settings.cased is None and is_of_the_spec else settings.cased
        return ResolvedVocabulary(spec, None, vocabulary_file(settings, spec, registry, where), cased)
    if settings.file is not None:
        raise RecipeError(
            f"{spec.name} is learned from the corpus",
            where=f"{where}.file",
            remedy='use spec = "core/file" to read one',
        )
    size = settings.size if settings.size is not None else spec.size
    if size is None:
        raise RecipeError(f"{spec.name} has no size of its own", where=where, remedy="add size = ... to [vocabulary]")
    cased = spec.learns_cased if settings.cased is None else settings.cased
    learn = LearnSettings(
        size=size, cased=cased, min_frequency=settings.min_frequency, max_characters=settings.max_characters
    )
    return ResolvedVocabulary(spec, learn, None, cased)


def _check_unlearned(settings: VocabularySettings, spec: VocabularySpec, where: str) -> None:
    """Refuse what would say how to learn a vocabulary that is read; a default that is written out says nothing."""
    for name in ("size", "min_frequency", "max_characters"):
        given = getattr(settings, name)
        if given != type(settings).model_fields[name].default:
            raise RecipeError(
                f"{spec.name} is read as it is, and nothing of it is learned",
                where=f"{where}.{name}",
                given=given,
                remedy='leave it out, or learn a vocabulary: spec = "core/wordpiece", ...',
            )


def _task(settings: TaskSettings, index: int, recipe: Recipe, registry: Registry, loaded: LoadedRecipe) -> ResolvedTask:
    key = f"tasks.{index}"
    where = f"{loaded.source.origin(key)}: {key}"
    spec = registry.task(settings.spec, where=f"{where}.spec")
    if settings.sample is not None:
        _check_sample(spec, where)
    return ResolvedTask(
        spec=spec,
        name=settings.name or spec.name.split("/", 1)[1],
        files=find_task_files(settings, spec, where),
        sample=settings.sample,
        finetuning=finetuning_of(settings, spec, recipe, where, registry),
        after=settings.after,
    )


def find_task_files(settings: TaskSettings, spec: TaskSpec, where: str) -> dict[Split, tuple[Path, ...]]:
    """The files of each split: those named, or those that a folder holds under the spec's own names.

    Raises:
        DataError: a named file is not there.
        RecipeError: the folder holds no training file.
    """
    if settings.files is not None:
        named = {"train": settings.files.train, "dev": settings.files.dev, "test": settings.files.test}
        return {split: expand_files(named[split], Path.cwd(), ("*",)) for split in SPLITS if named[split]}
    if settings.folder is None:
        return {}
    folder = Path(settings.folder)
    found: dict[Split, tuple[Path, ...]] = {}
    for split, names in spec.files.items():
        there = next((files for name in names if (files := files_named(folder, name))), ())
        if there:
            found[split] = there
    if "train" not in found:
        raise RecipeError(
            f"no training file of {spec.name} in this folder",
            where=f"{where}.folder",
            given=settings.folder,
            allowed=", ".join(spec.files.get("train", ())) or "this spec names no files: use files = { train = ... }",
            remedy=f"the data: {spec.source}" if spec.source else None,
        )
    return found


def _check_names(kind: str, names: list[str], where: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"two {kind} have one name", where=where, given=name, remedy="give each a name = ...")


def _check_numbers(recipe: Recipe, tasks: tuple[ResolvedTask, ...], size: ModelSizeSpec, loaded: LoadedRecipe) -> None:
    for label, phase in training_phases(recipe, tasks):
        key = label.split(" ")[0]
        where = f"{loaded.source.origin(key)}: {label}"
        if phase.num_sequences_per_step % phase.num_sequences_per_micro_batch:
            raise RecipeError(
                "num_sequences_per_micro_batch does not divide num_sequences_per_step",
                where=where,
                given=f"{phase.num_sequences_per_step} / {phase.num_sequences_per_micro_batch}",
                remedy="choose a divisor of the global batch",
            )
        if phase.max_tokens > size.max_positions:
            raise RecipeError(
                f"max_tokens is above the {size.max_positions} positions of {size.name}",
                where=where,
                given=phase.max_tokens,
                allowed=f"16 to {size.max_positions}",
            )
        num_apart = phase.num_frozen_layers + getattr(phase, "num_reset_layers", 0)
        if num_apart > size.layers:
            raise RecipeError(
                f"more layers are frozen or reset than the {size.layers} of {size.name}",
                where=where,
                given=num_apart,
                allowed=f"at most {size.layers} together",
            )

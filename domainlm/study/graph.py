"""From a resolved recipe to its stages: corpus, vocabulary, start, pretraining, scores, fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domainlm.api import CorpusSpec, TaskSpec, VocabularySpec
from domainlm.recipe.corpus_settings import TASK_TEXT, SampleSettings
from domainlm.recipe.resolved import Resolved, ResolvedCell, ResolvedCorpus, ResolvedTask
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.start import START_VOCABULARY, ResolvedStart
from domainlm.study.files import FileHashes
from domainlm.study.preparation import GUARDED_SPLITS
from domainlm.study.ranks import ranks_of
from domainlm.study.stage import Stage
from domainlm.study.stages.corpus import CorpusStage, GuardedTask
from domainlm.study.stages.encode import EncodeStage
from domainlm.study.stages.finetune import FinetuneStage
from domainlm.study.stages.language_model import LanguageModelScoreStage, PretrainStage, StartStage, mixed_role
from domainlm.study.stages.sources import InputFile, SampleStage
from domainlm.study.stages.start import CarryStage, ImportedStartStage
from domainlm.study.stages.task_text import TaskTextStage, TrainingText
from domainlm.study.stages.vocabulary import GrownVocabularyStage, LearnedVocabularyStage, ReadVocabularyStage


@dataclass(frozen=True, slots=True)
class FurtherScore:
    """A score of a language model besides that of the pretrained one on the corpus.

    Attributes:
        stage: gives it.
        dataset: the text.
        is_general: whether that is the general text.
        is_before: whether the model is the one that pretraining starts from.
    """

    stage: LanguageModelScoreStage
    dataset: str
    is_general: bool
    is_before: bool


@dataclass(frozen=True, slots=True)
class CellStages:
    """The stages of one cell by what they are for; cells share the stages they have in common."""

    cell: ResolvedCell
    corpus: CorpusStage
    vocabulary: Stage
    tokens: EncodeStage
    start: Stage
    pretraining: PretrainStage | None
    language_model_score: LanguageModelScoreStage
    finetuning: tuple[FinetuneStage, ...]
    further_scores: tuple[FurtherScore, ...] = ()

    @property
    def model(self) -> Stage:
        """The stage whose model is fine-tuned."""
        return self.pretraining or self.start

    def ordered(self) -> list[Stage]:
        """All stages, inputs before what reads them."""
        found: dict[str, Stage] = {}
        further = (score.stage for score in self.further_scores)
        for last in (self.language_model_score, *further, *self.finetuning):
            for stage in last.with_inputs():
                found.setdefault(stage.key, stage)
        return list(found.values())


@dataclass(frozen=True, slots=True)
class Graph:
    """Every cell's stages."""

    cells: tuple[CellStages, ...]

    def ordered(self) -> list[Stage]:
        """All stages of all cells, each once, inputs before what reads them."""
        found: dict[str, Stage] = {}
        for cell in self.cells:
            for stage in cell.ordered():
                found.setdefault(stage.key, stage)
        return list(found.values())


def build_graph(
    resolved: Resolved, hashes: FileHashes, hardware_of: Callable[[RuntimeSettings], Mapping[str, Any]]
) -> Graph:
    """The stages of a recipe.

    Args:
        resolved: the recipe, names and files found.
        hashes: gives the hash of each input file.
        hardware_of: software and kind of hardware that computes, part of the identity of what is trained.
    """
    return Graph(tuple(_cell_stages(cell, hashes, hardware_of(cell.cell.recipe.runtime)) for cell in resolved.cells))


def _cell_stages(cell: ResolvedCell, hashes: FileHashes, hardware: Mapping[str, Any]) -> CellStages:
    recipe = cell.cell.recipe
    corpus = corpus_stage(cell, cell.corpus, hashes)
    vocabulary = _vocabulary(cell, corpus, hashes)
    tokens = _tokens(corpus, vocabulary, recipe.runtime)
    mixed = {each.name: _tokens(corpus_stage(cell, each, hashes), vocabulary, recipe.runtime) for each in cell.mixed}
    start = _start(cell, vocabulary, corpus, hashes, hardware)
    pretraining = None
    if recipe.pretraining.num_steps > 0:
        pretraining = PretrainStage(
            label=f"{cell.size.name} for {recipe.pretraining.num_steps} steps",
            inputs={
                "start": start,
                "tokens": tokens,
                "vocabulary": vocabulary,
                **{mixed_role(name): stage for name, stage in mixed.items()},
            },
            settings=recipe.pretraining,
            corpus=cell.corpus.name,
            mixture=recipe.mixture,
            runtime=recipe.runtime,
            hardware=hardware,
            ranks=ranks_of(cell),
            parallel=recipe.parallel,
        )
    model = pretraining or start

    def scored(model: Stage, corpus: Stage, tokens: Stage) -> LanguageModelScoreStage:
        return LanguageModelScoreStage(
            label=model.label,
            inputs={"model": model, "corpus": corpus, "tokens": tokens, "vocabulary": vocabulary},
            settings=recipe.pretraining,
            runtime=recipe.runtime,
            hardware=hardware,
        )

    score = scored(model, corpus, tokens)
    further = []
    if cell.start is not None and pretraining is not None:
        further.append(FurtherScore(scored(start, corpus, tokens), cell.corpus.spec.name, False, True))
    if cell.general is not None:
        text = corpus_stage(cell, cell.general, hashes, guarded_tasks=())
        encoded = _tokens(text, vocabulary, recipe.runtime)
        before = [start] if cell.start is not None and pretraining is not None else []
        for each in (*before, model):
            is_before = each is not model
            further.append(FurtherScore(scored(each, text, encoded), cell.general.spec.name, True, is_before))
    finetuning = tuple(_finetuning(cell, model, hashes, hardware))
    return CellStages(cell, corpus, vocabulary, tokens, start, pretraining, score, finetuning, tuple(further))


def _start(
    cell: ResolvedCell, vocabulary: Stage, corpus: Stage, hashes: FileHashes, hardware: Mapping[str, Any]
) -> Stage:
    recipe, found = cell.cell.recipe, cell.start
    sentence_order, seed = recipe.pretraining.second_objective != "none", recipe.pretraining.seed
    if found is None:
        return StartStage(
            label=cell.size.name,
            inputs={"vocabulary": vocabulary},
            size=cell.size,
            settings=recipe.model,
            sentence_order=sentence_order,
            seed=seed,
            hardware=hardware,
        )
    keeps = cell.vocabulary.is_that_of_the_start
    start = ImportedStartStage(
        label=found.label,
        inputs={"vocabulary": vocabulary if keeps else start_vocabulary_stage(cell, found, hashes)},
        model_kind=found.kind,
        size=cell.size,
        folder=found.folder,
        files=InputFile.all_of(found.files, hashes),
        settings=recipe.model,
        sentence_order=sentence_order,
        seed=seed,
        hardware=hardware,
    )
    if keeps:
        return start
    how = recipe.start.vocabulary_transfer
    text = {"corpus": corpus} if how == "similarity" else {}
    return CarryStage(
        label=f"{found.label} to {vocabulary.label}, new entries: {how}",
        inputs={"start": start, "vocabulary": vocabulary, **text},
        transfer=recipe.start,
        settings=recipe.model,
        seed=seed,
    )


def start_vocabulary_stage(cell: ResolvedCell, start: ResolvedStart, hashes: FileHashes) -> ReadVocabularyStage:
    """The stage that reads the vocabulary which belongs to the start."""
    cased = cell.vocabulary.cased if cell.vocabulary.is_that_of_the_start else start.cased
    return ReadVocabularyStage(
        label=f"vocabulary of {start.label}",
        inputs={},
        spec=VocabularySpec(name=START_VOCABULARY, description="that of the start", algorithm="file"),
        file=InputFile(start.vocabulary, hashes.of(start.vocabulary)),
        cased=cased,
    )


def _tokens(corpus: CorpusStage, vocabulary: Stage, runtime: RuntimeSettings) -> EncodeStage:
    return EncodeStage(label=corpus.label, inputs={"corpus": corpus, "vocabulary": vocabulary}, runtime=runtime)


def corpus_stage(
    cell: ResolvedCell,
    corpus: ResolvedCorpus,
    hashes: FileHashes,
    guarded_tasks: Sequence[ResolvedTask] | None = None,
) -> CorpusStage:
    """The stage that prepares a corpus of a cell, guarded against the cell's tasks, or those that are given."""
    settings = corpus.settings
    spec = corpus.spec
    inputs: dict[str, Stage] = {}
    if settings.sample is not None:
        inputs["sample"] = _sample(spec, settings.sample)
    if spec.name == TASK_TEXT:
        inputs["sample"] = _task_text(cell, hashes)
    guarded: list[GuardedTask] = []
    tasks = cell.tasks if guarded_tasks is None else guarded_tasks
    for task in tasks if settings.leak_guard.enabled else ():
        files = {split: InputFile.all_of(task.files.get(split, ()), hashes) for split in GUARDED_SPLITS}
        role = None
        if task.sample is not None:
            role = f"sample of {task.name}"
            inputs[role] = _sample(task.spec, task.sample)
        guarded.append(GuardedTask(spec=task.spec, name=task.name, files=files, sample=role))
    return CorpusStage(
        label=corpus.name,
        inputs=inputs,
        spec=spec,
        settings=settings,
        files=InputFile.all_of(corpus.files, hashes),
        guarded=tuple(guarded),
        runtime=cell.cell.recipe.runtime,
    )


def _task_text(cell: ResolvedCell, hashes: FileHashes) -> TaskTextStage:
    samples = {f"sample of {task.name}": _sample(task.spec, task.sample) for task in cell.tasks if task.sample}
    texts = (
        TrainingText(
            task.spec,
            task.name,
            InputFile.all_of(task.files.get("train", ()), hashes),
            f"sample of {task.name}" if task.sample else None,
        )
        for task in cell.tasks
    )
    return TaskTextStage(label=", ".join(task.name for task in cell.tasks), inputs=samples, tasks=tuple(texts))


def _sample(spec: CorpusSpec | TaskSpec, settings: SampleSettings) -> SampleStage:
    return SampleStage(label=spec.name, inputs={}, spec=spec, num_documents=settings.num_documents, seed=settings.seed)


def _vocabulary(cell: ResolvedCell, corpus: CorpusStage, hashes: FileHashes) -> Stage:
    found = cell.vocabulary
    if found.num_added_words:
        assert cell.start is not None
        return GrownVocabularyStage(
            label=f"{found.spec.name} grown by {found.num_added_words} words",
            inputs={"corpus": corpus, "vocabulary": start_vocabulary_stage(cell, cell.start, hashes)},
            num_words=found.num_added_words,
            min_frequency=cell.cell.recipe.vocabulary.min_frequency,
        )
    if found.learn is not None:
        return LearnedVocabularyStage(
            label=f"{found.spec.name} of {found.learn.size}",
            inputs={"corpus": corpus},
            spec=found.spec,
            settings=found.learn,
        )
    assert found.file is not None
    return ReadVocabularyStage(
        label=found.spec.name,
        inputs={},
        spec=found.spec,
        file=InputFile(found.file, hashes.of(found.file)),
        cased=found.cased,
    )


def _finetuning(
    cell: ResolvedCell, model: Stage, hashes: FileHashes, hardware: Mapping[str, Any]
) -> Iterator[FinetuneStage]:
    """A stage for each task and seed, in the recipe's order; each starts from `model`, or from another one's."""
    tasks = {task.name: task for task in cell.tasks}
    made: dict[tuple[str, int], FinetuneStage] = {}

    def stage(task: ResolvedTask, seed: int) -> FinetuneStage:
        key = (task.name, seed)
        if key not in made:
            before = None if task.after is None else stage(tasks[task.after], seed)
            made[key] = _finetune(task, cell, before or model, seed=seed, hashes=hashes, hardware=hardware)
        return made[key]

    for task in cell.tasks:
        for seed in cell.cell.recipe.seeds:
            yield stage(task, seed)


def _finetune(
    task: ResolvedTask, cell: ResolvedCell, model: Stage, *, seed: int, hashes: FileHashes, hardware: Mapping[str, Any]
) -> FinetuneStage:
    inputs: dict[str, Stage] = {"model": model}
    if task.sample is not None:
        inputs["sample"] = _sample(task.spec, task.sample)
    return FinetuneStage(
        label=f"{task.name}, {cell.cell.label}, seed {seed}",
        inputs=inputs,
        spec=task.spec,
        name=task.name,
        files={split: InputFile.all_of(files, hashes) for split, files in task.files.items()},
        companions=_companions(task, hashes),
        settings=task.finetuning,
        runtime=cell.cell.recipe.runtime,
        seed=seed,
        hardware=hardware,
        after=model.history if isinstance(model, FinetuneStage) else "",
        ranks=ranks_of(cell),
        parallel=cell.cell.recipe.parallel,
    )


def _companions(task: ResolvedTask, hashes: FileHashes) -> tuple[InputFile, ...]:
    """The further files that the task's reader opens."""
    beside = [each for paths in task.files.values() for path in paths for each in task.spec.with_companions(path)[1:]]
    return InputFile.all_of(dict.fromkeys(beside), hashes)

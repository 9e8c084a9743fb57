"""From a resolved recipe to its stages: corpus, vocabulary, start, pretraining, scores, fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from domainlm.api import CorpusSpec, TaskSpec
from domainlm.recipe.corpus_settings import SampleSettings
from domainlm.recipe.resolve import Resolved, ResolvedCell, ResolvedTask
from domainlm.recipe.schema import RuntimeSettings
from domainlm.study.files import FileHashes
from domainlm.study.preparation import GUARDED_SPLITS
from domainlm.study.ranks import ranks_of
from domainlm.study.stage import Stage
from domainlm.study.stages.corpus import CorpusStage, GuardedTask
from domainlm.study.stages.encode import EncodeStage
from domainlm.study.stages.finetune import FinetuneStage
from domainlm.study.stages.language_model import LanguageModelScoreStage, PretrainStage, StartStage
from domainlm.study.stages.sources import InputFile, SampleStage
from domainlm.study.stages.vocabulary import LearnedVocabularyStage, ReadVocabularyStage


@dataclass(frozen=True, slots=True)
class CellStages:
    """The stages of one cell by what they are for; cells share the stages they have in common."""

    cell: ResolvedCell
    corpus: CorpusStage
    vocabulary: Stage
    tokens: EncodeStage
    start: StartStage
    pretraining: PretrainStage | None
    language_model_score: LanguageModelScoreStage
    finetuning: tuple[FinetuneStage, ...]

    @property
    def model(self) -> Stage:
        """The stage whose model is fine-tuned."""
        return self.pretraining or self.start

    def ordered(self) -> list[Stage]:
        """All stages, inputs before what reads them."""
        found: dict[str, Stage] = {}
        for last in (self.language_model_score, *self.finetuning):
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
    corpus = corpus_stage(cell, hashes)
    vocabulary = _vocabulary(cell, corpus, hashes)
    tokens = EncodeStage(
        label=corpus.label, inputs={"corpus": corpus, "vocabulary": vocabulary}, runtime=recipe.runtime
    )
    start = StartStage(
        label=cell.size.name,
        inputs={"vocabulary": vocabulary},
        size=cell.size,
        settings=recipe.model,
        sentence_order=recipe.pretraining.second_objective == "sentence_order",
        seed=recipe.pretraining.seed,
        hardware=hardware,
    )
    pretraining = None
    if recipe.pretraining.num_steps > 0:
        pretraining = PretrainStage(
            label=f"{cell.size.name} for {recipe.pretraining.num_steps} steps",
            inputs={"start": start, "tokens": tokens, "vocabulary": vocabulary},
            settings=recipe.pretraining,
            runtime=recipe.runtime,
            hardware=hardware,
            ranks=ranks_of(cell),
            parallel=recipe.parallel,
        )
    model = pretraining or start
    score = LanguageModelScoreStage(
        label=model.label,
        inputs={"model": model, "corpus": corpus, "tokens": tokens, "vocabulary": vocabulary},
        settings=recipe.pretraining,
        runtime=recipe.runtime,
        hardware=hardware,
    )
    finetuning = tuple(
        _finetune(task, cell, model, seed=seed, hashes=hashes, hardware=hardware)
        for task in cell.tasks
        for seed in recipe.seeds
    )
    return CellStages(cell, corpus, vocabulary, tokens, start, pretraining, score, finetuning)


def corpus_stage(cell: ResolvedCell, hashes: FileHashes) -> CorpusStage:
    """The stage that prepares a cell's corpus, guarded against the cell's tasks."""
    settings = cell.corpus.settings
    spec = cell.corpus.spec
    inputs: dict[str, Stage] = {}
    if settings.sample is not None:
        inputs["sample"] = _sample(spec, settings.sample)
    guarded: list[GuardedTask] = []
    for task in cell.tasks if settings.leak_guard.enabled else ():
        files = {split: InputFile.all_of(task.files.get(split, ()), hashes) for split in GUARDED_SPLITS}
        role = None
        if task.sample is not None:
            role = f"sample of {task.name}"
            inputs[role] = _sample(task.spec, task.sample)
        guarded.append(GuardedTask(spec=task.spec, name=task.name, files=files, sample=role))
    return CorpusStage(
        label=spec.name,
        inputs=inputs,
        spec=spec,
        settings=settings,
        files=InputFile.all_of(cell.corpus.files, hashes),
        guarded=tuple(guarded),
        runtime=cell.cell.recipe.runtime,
    )


def _sample(spec: CorpusSpec | TaskSpec, settings: SampleSettings) -> SampleStage:
    return SampleStage(label=spec.name, inputs={}, spec=spec, num_documents=settings.num_documents, seed=settings.seed)


def _vocabulary(cell: ResolvedCell, corpus: CorpusStage, hashes: FileHashes) -> Stage:
    found = cell.vocabulary
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
        settings=task.finetuning,
        runtime=cell.cell.recipe.runtime,
        seed=seed,
        hardware=hardware,
        ranks=ranks_of(cell),
        parallel=cell.cell.recipe.parallel,
    )

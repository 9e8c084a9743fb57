"""What pretraining starts from, and the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.api import VocabularySpec
from domainlm.recipe.mixture_settings import MixtureSettings
from domainlm.recipe.resolved import CellData, ResolvedCell
from domainlm.recipe.start import START_VOCABULARY, ResolvedStart
from domainlm.study.files import FileHashes
from domainlm.study.graph_parts.corpora import corpus_stage, tokens_stage
from domainlm.study.ranks import ranks_of
from domainlm.study.stage import Stage
from domainlm.study.stages.corpus import CorpusStage
from domainlm.study.stages.language_model import GeneralStartStage
from domainlm.study.stages.sources import InputFile
from domainlm.study.stages.start import CarryStage, ImportedStartStage, StartStage
from domainlm.study.stages.vocabulary import GrownVocabularyStage, LearnedVocabularyStage, ReadVocabularyStage

_UNSCORED = {"scored_steps": (), "early_stop": None, "num_steps_per_score": None, "max_minutes": None}
"""Of the pretraining of a start: nothing is scored on its way."""


def start_stage(
    cell: ResolvedCell, vocabulary: Stage, corpus: Stage, hashes: FileHashes, hardware: Mapping[str, Any]
) -> Stage:
    """The stage with the model that pretraining starts from: fresh, read, or carried to another vocabulary."""
    recipe, found = cell.definition.recipe, cell.start
    sentence_order, seed = recipe.pretraining.second_objective != "none", recipe.pretraining.seed
    if found is None:
        return _fresh_start(cell, vocabulary, hardware)
    keeps = cell.vocabulary.is_that_of_the_start
    own_vocabulary = vocabulary if keeps else start_vocabulary_stage(cell, found, hashes)
    start: Stage
    if found.kind == "general":
        start = _general_start(cell, own_vocabulary, hashes, hardware)
    else:
        start = ImportedStartStage(
            label=found.label,
            inputs={"vocabulary": own_vocabulary},
            model_kind=found.kind,
            size=cell.size,
            folder=found.folder,
            files=InputFile.all_of(found.files, hashes),
            settings=recipe.model,
            sentence_order=sentence_order,
            seed=seed,
            hardware=hardware,
            carries_optimizer=found.carries_optimizer,
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


def _fresh_start(cell: ResolvedCell, vocabulary: Stage, hardware: Mapping[str, Any]) -> StartStage:
    recipe = cell.definition.recipe
    return StartStage(
        label=cell.size.name,
        inputs={"vocabulary": vocabulary},
        size=cell.size,
        settings=recipe.model,
        sentence_order=recipe.pretraining.second_objective != "none",
        seed=recipe.pretraining.seed,
        hardware=hardware,
    )


def _general_start(
    cell: ResolvedCell, vocabulary: Stage, hashes: FileHashes, hardware: Mapping[str, Any]
) -> GeneralStartStage:
    """A model that is pretrained on [general] for start.num_steps, all else as [pretraining] says."""
    recipe = cell.definition.recipe
    assert cell.general is not None
    corpus = corpus_stage(cell, cell.general, hashes, guarded_tasks=())
    return GeneralStartStage(
        label=f"{cell.size.name} on general text for {recipe.start.num_steps} steps",
        inputs={
            "start": _fresh_start(cell, vocabulary, hardware),
            "tokens": tokens_stage(corpus, vocabulary, recipe.runtime),
            "vocabulary": vocabulary,
        },
        settings=recipe.pretraining.model_copy(update=_UNSCORED | {"num_steps": recipe.start.num_steps}),
        corpus=cell.general.name,
        mixture=MixtureSettings(),
        runtime=recipe.runtime,
        hardware=hardware,
        ranks=ranks_of(cell),
        parallel=recipe.parallel,
    )


def start_vocabulary_stage(cell: CellData, start: ResolvedStart, hashes: FileHashes) -> ReadVocabularyStage:
    """The stage that reads the vocabulary which belongs to the start."""
    cased = cell.vocabulary.cased if cell.vocabulary.is_that_of_the_start else start.cased
    return ReadVocabularyStage(
        label=f"vocabulary of {start.label}",
        inputs={},
        spec=VocabularySpec(name=START_VOCABULARY, description="that of the start", algorithm="file"),
        file=InputFile(start.vocabulary, hashes.of(start.vocabulary)),
        cased=cased,
    )


def vocabulary_stage(cell: CellData, corpus: CorpusStage | None, hashes: FileHashes) -> Stage:
    """The stage with the vocabulary: learned or grown, both from `corpus`, read, or that of the start."""
    found = cell.vocabulary
    text: dict[str, Stage] = {} if corpus is None else {"corpus": corpus}
    if found.num_added_words:
        assert cell.start is not None
        return GrownVocabularyStage(
            label=f"{found.spec.name} grown by {found.num_added_words} words",
            inputs={**text, "vocabulary": start_vocabulary_stage(cell, cell.start, hashes)},
            num_words=found.num_added_words,
            min_frequency=cell.definition.recipe.vocabulary.min_frequency,
        )
    if found.learn is not None:
        return LearnedVocabularyStage(
            label=f"{found.spec.name} of {found.learn.size}",
            inputs=text,
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

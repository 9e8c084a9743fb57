"""What pretraining starts from, and the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domainlm.api import VocabularySpec
from domainlm.recipe.resolved import ResolvedCell
from domainlm.recipe.start import START_VOCABULARY, ResolvedStart
from domainlm.study.files import FileHashes
from domainlm.study.stage import Stage
from domainlm.study.stages.corpus import CorpusStage
from domainlm.study.stages.language_model import StartStage
from domainlm.study.stages.sources import InputFile
from domainlm.study.stages.start import CarryStage, ImportedStartStage
from domainlm.study.stages.vocabulary import GrownVocabularyStage, LearnedVocabularyStage, ReadVocabularyStage


def start_stage(
    cell: ResolvedCell, vocabulary: Stage, corpus: Stage, hashes: FileHashes, hardware: Mapping[str, Any]
) -> Stage:
    """The stage with the model that pretraining starts from: fresh, read, or carried to another vocabulary."""
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


def vocabulary_stage(cell: ResolvedCell, corpus: CorpusStage, hashes: FileHashes) -> Stage:
    """The stage with the vocabulary: learned, read, that of the start, or that one grown."""
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

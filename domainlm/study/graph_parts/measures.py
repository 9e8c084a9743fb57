"""What is measured in a cell that trains nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from domainlm.recipe.cells import Cell
from domainlm.recipe.resolved import MeasuredCell
from domainlm.recipe.task_facts import is_by_label
from domainlm.study.files import FileHashes
from domainlm.study.graph_parts.corpora import corpus_stage
from domainlm.study.graph_parts.samples import task_sample
from domainlm.study.graph_parts.starts import vocabulary_stage
from domainlm.study.stage import Stage, with_all_inputs
from domainlm.study.stages.corpus import CorpusStage
from domainlm.study.stages.measure import BreakUpRateStage, TaskFactsStage
from domainlm.study.stages.sources import InputFile


@dataclass(frozen=True, slots=True)
class MeasuredStages:
    """The stages of a cell that only measures, by what they are for."""

    resolved: MeasuredCell
    vocabulary: Stage | None
    break_up_rates: tuple[BreakUpRateStage, ...]
    task_facts: tuple[TaskFactsStage, ...]
    corpora: tuple[CorpusStage, ...]

    @property
    def definition(self) -> Cell:
        """The cell as the recipe has it."""
        return self.resolved.definition

    def ordered(self) -> list[Stage]:
        """All stages, inputs before what reads them."""
        return with_all_inputs((*self.corpora, *self.break_up_rates, *self.task_facts))


def measured_stages(cell: MeasuredCell, hashes: FileHashes) -> MeasuredStages:
    """The stages of a cell that only measures.

    Args:
        cell: names and files found.
        hashes: gives the hash of each input file.
    """
    asked = cell.definition.recipe.measure
    is_learned = cell.found_vocabulary is not None and cell.found_vocabulary.file is None
    needed: tuple[str, ...] = ("train",) if is_learned else ()  # nothing is scored
    corpora = tuple(corpus_stage(cell, corpus, hashes, needed=needed) for corpus in cell.corpora)
    vocabulary = None
    if asked.break_up_rate:
        vocabulary = vocabulary_stage(cell, corpora[0] if corpora else None, hashes)
    return MeasuredStages(
        resolved=cell,
        vocabulary=vocabulary,
        break_up_rates=() if vocabulary is None else tuple(_break_up_rates(cell, vocabulary, hashes)),
        task_facts=tuple(_task_facts(cell, hashes)) if asked.task_facts else (),
        corpora=corpora if asked.corpus_facts else (),
    )


def _break_up_rates(cell: MeasuredCell, vocabulary: Stage, hashes: FileHashes) -> Iterator[BreakUpRateStage]:
    for task in cell.tasks:
        if task.spec.kind == "token":
            yield BreakUpRateStage(
                label=f"{vocabulary.label} on {task.name}",
                inputs={"vocabulary": vocabulary, **task_sample(task)},
                spec=task.spec,
                name=task.name,
                files=InputFile.by_split(task.files, hashes),
                companions=InputFile.all_of(task.companions(), hashes),
                splits=cell.definition.recipe.measure.splits,
            )


def _task_facts(cell: MeasuredCell, hashes: FileHashes) -> Iterator[TaskFactsStage]:
    asked = cell.definition.recipe.measure
    for task in cell.tasks:
        yield TaskFactsStage(
            label=task.name,
            inputs=task_sample(task),
            spec=task.spec,
            name=task.name,
            files=InputFile.by_split(task.files, hashes),
            companions=InputFile.all_of(task.companions(), hashes),
            splits=asked.splits,
            by_label=tuple(name for name in asked.task_facts if is_by_label(name, task.spec.kind)),
        )

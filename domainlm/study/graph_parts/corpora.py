"""Corpora: what they are read from, and their token ids."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from domainlm.recipe.corpus_settings import TASK_TEXT
from domainlm.recipe.resolved import CellData, ResolvedCell, ResolvedCorpus, ResolvedTask
from domainlm.recipe.schema import RuntimeSettings
from domainlm.study.files import FileHashes
from domainlm.study.graph_parts.samples import sample_stage
from domainlm.study.preparation import GUARDED_SPLITS
from domainlm.study.stage import Stage
from domainlm.study.stages.corpus import CorpusStage, GuardedTask
from domainlm.study.stages.encode import EncodeStage
from domainlm.study.stages.sources import InputFile
from domainlm.study.stages.task_text import TaskTextStage, TrainingText
from domainlm.text.preparation.parts import SIDES


def tokens_stage(corpus: CorpusStage, vocabulary: Stage, runtime: RuntimeSettings) -> EncodeStage:
    """The stage that encodes a corpus."""
    return EncodeStage(label=corpus.label, inputs={"corpus": corpus, "vocabulary": vocabulary}, runtime=runtime)


def corpus_stage(
    cell: CellData,
    corpus: ResolvedCorpus,
    hashes: FileHashes,
    guarded_tasks: Sequence[ResolvedTask] | None = None,
    needed: Collection[str] = SIDES,
) -> CorpusStage:
    """The stage that prepares a corpus of a cell, guarded against the cell's tasks, or those that are given."""
    settings = corpus.settings
    spec = corpus.spec
    inputs: dict[str, Stage] = {}
    if settings.sample is not None:
        inputs["sample"] = sample_stage(spec, settings.sample)
    if spec.name == TASK_TEXT:
        inputs["sample"] = _task_text(cell, hashes)
    guarded: list[GuardedTask] = []
    tasks = cell.tasks if guarded_tasks is None else guarded_tasks
    for task in tasks if settings.leak_guard.enabled else ():
        files = {split: InputFile.all_of(task.files.get(split, ()), hashes) for split in GUARDED_SPLITS}
        role = None
        if task.sample is not None:
            role = f"sample of {task.name}"
            inputs[role] = sample_stage(task.spec, task.sample)
        beside = InputFile.all_of(task.companions(*GUARDED_SPLITS), hashes)
        guarded.append(GuardedTask(spec=task.spec, name=task.name, files=files, sample=role, companions=beside))
    return CorpusStage(
        label=corpus.name,
        inputs=inputs,
        spec=spec,
        settings=settings,
        files=InputFile.all_of(corpus.files, hashes),
        guarded=tuple(guarded),
        runtime=cell.definition.recipe.runtime,
        needed=needed,
    )


def needed_sides(corpus: ResolvedCorpus, cells: Iterable[ResolvedCell]) -> list[str]:
    """The sides of a text that some cell uses. Stages of one key are one stage, whichever cell's text comes first."""
    uses = [(cell.learned, cell.scored) for cell in cells]
    readers: list[tuple[str, list[ResolvedCorpus]]] = [
        ("train", [each for learned, _ in uses for each in learned]),
        ("held_out", [each for _, scored in uses for each in scored]),
    ]
    return [side for side, corpora in readers if any(_are_one_text(corpus, each) for each in corpora)]


def _are_one_text(first: ResolvedCorpus, second: ResolvedCorpus) -> bool:
    return (first.spec, first.files, first.settings.sample) == (second.spec, second.files, second.settings.sample)


def _task_text(cell: CellData, hashes: FileHashes) -> TaskTextStage:
    samples = {f"sample of {task.name}": sample_stage(task.spec, task.sample) for task in cell.tasks if task.sample}
    texts = (
        TrainingText(
            task.spec,
            task.name,
            InputFile.all_of(task.files.get("train", ()), hashes),
            f"sample of {task.name}" if task.sample else None,
            InputFile.all_of(task.companions("train"), hashes),
        )
        for task in cell.tasks
    )
    return TaskTextStage(label=", ".join(task.name for task in cell.tasks), inputs=samples, tasks=tuple(texts))

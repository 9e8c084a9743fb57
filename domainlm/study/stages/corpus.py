"""Documents of any format to sentences: duplicates and leaks removed, some documents held out."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from domainlm.api import CorpusSpec, Split, TaskSpec
from domainlm.recipe.corpus_settings import CorpusSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.study.preparation import (
    GUARDED_SPLITS,
    GuardedFiles,
    corpus_preparation,
    deduplication_identity,
    num_workers,
)
from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.sources import InputFile, companion_identity, sample_files
from domainlm.text.corpus import TextFacts, text_facts
from domainlm.text.preparation.parts import SIDES
from domainlm.text.preparation.prepare import REMOVED_FILE, counted_identity, finish, prepare_parts


@dataclass(frozen=True, kw_only=True)
class GuardedTask:
    """A task whose dev and test texts the corpus must not hold.

    Attributes:
        spec: reads its files.
        name: what the recipe calls the data set.
        files: by split; none where a sample is written.
        sample: the role of the sample among the stage's inputs, where one is written.
        companions: what the reader opens beside the files.
    """

    spec: TaskSpec
    name: str
    files: Mapping[Split, tuple[InputFile, ...]]
    sample: str | None = None
    companions: tuple[InputFile, ...] = ()

    def identity(self) -> Mapping[str, Any]:
        """The reader and the bytes it reads; and how their text is read, where that was once another way."""
        files = {split: [file.sha256 for file in files] for split, files in sorted(self.files.items())}
        named = {"spec": self.spec.reference, "name": self.name}
        facts: dict[str, Any] = {**named, "files": files, "sample": self.sample, **companion_identity(self.companions)}
        guarded = [file for split in GUARDED_SPLITS for file in self.files.get(split, ())]
        read = [_text_facts(file.path, file.sha256) for file in [*guarded, *self.companions]]
        if not all(each.is_normal for each in read):
            facts["normalised"] = True
        if any(each.may_hold_ideographs for each in read):
            facts["ideographs"] = "are words"
        return facts


@dataclass(frozen=True, kw_only=True)
class CorpusStage(Stage):
    """Reads the corpus; writes train.txt and held_out.txt, a sentence a line, and lists what was left out and why."""

    kind: ClassVar[str] = "corpus"
    version: ClassVar[int] = 2

    spec: CorpusSpec
    settings: CorpusSettings
    files: tuple[InputFile, ...]
    guarded: tuple[GuardedTask, ...]
    runtime: RuntimeSettings
    needed: Collection[str] = field(default=SIDES, compare=False)
    """The sides that must have a document: of replay, which nothing scores, only the one that is learned from."""

    def identity(self) -> Mapping[str, Any]:
        """The reader, the files it reads, how documents are divided, and which are left out."""
        guard = self.settings.leak_guard
        return {
            "spec": self.spec.reference,
            "files": [[file.path.name, file.sha256] for file in self.files],
            "max_documents": self.settings.max_documents,
            **counted_identity(self.settings.max_documents, replaced=self.spec.replaces),
            "held_out_share": self.settings.held_out_share,
            "deduplication": deduplication_identity(self.settings),
            "leak_guard": {**guard.model_dump(mode="json"), "tasks": [task.identity() for task in self.guarded]}
            if guard.enabled
            else None,
            "on_bad_input": self.settings.on_bad_input,
        }

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Prepare the text in parts, which a stopped run leaves for the next one, and put them together."""
        paths = tuple(file.path for file in self.files)
        if "sample" in context.inputs:
            paths = sample_files(context.inputs["sample"])["text"]
        preparation = corpus_preparation(
            self.spec,
            self.settings,
            paths,
            identity={"stage": self.key},
            guarded=[GuardedFiles(task.spec, task.name, _files(task, context)) for task in self.guarded],
        )
        work = context.folder / "work"
        workers = num_workers(self.runtime, sum(path.stat().st_size for path in paths))
        prepare_parts(preparation, work, num_workers=workers, title=f"corpus {self.label}")
        text, removed = context.folder / "text", context.folder / REMOVED_FILE
        prepared = finish(preparation.finishing, [work], text=text, tokens=None, removed=removed, needed=self.needed)
        context.problems.extend(prepared.problems.as_dict())
        shutil.rmtree(work)
        return prepared.as_dict()


@cache
def _text_facts(path: Path, _sha256: str) -> TextFacts:
    return text_facts(path)


def _files(task: GuardedTask, context: StageContext) -> Mapping[Any, tuple[Path, ...]]:
    if task.sample is not None:
        return sample_files(context.inputs[task.sample])
    return {split: tuple(file.path for file in files) for split, files in task.files.items()}

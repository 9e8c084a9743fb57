"""The texts of tasks' training splits as a corpus: task-adaptive pretraining (Gururangan et al. 2020, section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from domainlm.api import ProblemLog, TaskSpec
from domainlm.errors import DataError
from domainlm.files import whole_file, write_json
from domainlm.recipe.corpus_settings import TASK_TEXT
from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.sources import InputFile, companion_identity, empty_folder, sample_files

_FIELDS = ("text", "second_text", "context")
"""What examples of any kind of task may hold of running text."""

_MAX_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class TrainingText:
    """A task whose training texts are read.

    Attributes:
        spec: reads its files.
        name: what the recipe calls the data set.
        files: of its training split; none where a sample is written.
        sample: the role of the sample among the stage's inputs, where one is written.
        companions: what the reader opens beside the files.
    """

    spec: TaskSpec
    name: str
    files: tuple[InputFile, ...]
    sample: str | None = None
    companions: tuple[InputFile, ...] = ()

    def identity(self) -> list[Any]:
        """The reader and the bytes it reads."""
        beside = companion_identity(self.companions)
        return [self.spec.reference, self.name, [file.sha256 for file in self.files], *([beside] if beside else [])]


@dataclass(frozen=True, kw_only=True)
class TaskTextStage(Stage):
    """Writes the texts of the training splits as plain text, sentences of one document together."""

    kind: ClassVar[str] = "task-text"
    version: ClassVar[int] = 2

    tasks: tuple[TrainingText, ...]

    def identity(self) -> Mapping[str, Any]:
        """The readers and the bytes they read."""
        return {"tasks": [task.identity() for task in self.tasks]}

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Write a file for each task; nothing of dev and test splits is read."""
        folder = empty_folder(context.folder / "data")
        facts, names = {}, []
        for number, task in enumerate(self.tasks):
            paths = [file.path for file in task.files]
            if task.sample is not None:
                paths = [*sample_files(context.inputs[task.sample])["train"]]
            names.append(f"data/{number}.txt")
            facts[task.name] = _write(folder / f"{number}.txt", _documents(task.spec, paths, context.problems))
        if not any(facts.values()):
            raise DataError("the training splits hold no running text", where="corpus.spec", given=TASK_TEXT)
        write_json(context.folder / "files.json", {"text": names})
        return {"num_documents": facts}


def _documents(spec: TaskSpec, paths: Iterable[Path], problems: ProblemLog) -> Iterator[list[str]]:
    """Paragraphs by document: examples in a row whose ids name the same one; at most ten, as many files name none."""
    for path in paths:
        last, paragraphs, num_examples = None, list[str](), 0
        for example in spec.read_part(path, "train", problems):
            document = str(getattr(example, "id", "")).rpartition(":")[0]
            if paragraphs and (document != last or num_examples == _MAX_EXAMPLES):
                yield paragraphs
                paragraphs, num_examples = [], 0
            last = document
            num_examples += 1
            for field in _FIELDS:
                text = " ".join(str(getattr(example, field, None) or "").split())
                if text and text not in paragraphs:
                    paragraphs.append(text)
        if paragraphs:
            yield paragraphs


def _write(path: Path, documents: Iterable[list[str]]) -> int:
    number = 0
    with whole_file(path) as stream:
        for paragraphs in documents:
            stream.write(("\n".join(paragraphs) + "\n\n").encode())
            number += 1
    return number

"""The examples of a task's splits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from domainlm.api import SPLITS, DataError, ProblemLog, Split, TaskSpec, TokenExample


@dataclass(frozen=True, slots=True)
class SplitExamples:
    """What one split holds.

    Attributes:
        examples: in the order of the files.
        problems: what readers, and later the task, skipped or mended.
        where: the files, for messages.
    """

    examples: tuple[TokenExample, ...]
    problems: ProblemLog
    where: str


def read_splits(task: TaskSpec, files: Mapping[Split, tuple[Path, ...]]) -> dict[Split, SplitExamples]:
    """Read the splits that have files, in the order train, dev, test.

    Raises:
        DataError: there are no training files, a split has no example, or an example breaks the rules of its record.
    """
    if not files.get("train"):
        raise DataError("no training files", where=task.name, remedy="give files for the training split")
    return {split: _read_split(task, files[split]) for split in SPLITS if files.get(split)}


def _read_split(task: TaskSpec, paths: tuple[Path, ...]) -> SplitExamples:
    problems = ProblemLog()
    examples = tuple(example for path in paths for example in _checked(task.read(path, problems), task, path))
    where = ", ".join(map(str, paths))
    if not examples:
        raise DataError("no example", where=where, given=problems.summary() or None)
    return SplitExamples(examples, problems, where)


def _checked(examples: Iterable[TokenExample], task: TaskSpec, path: Path) -> Iterator[TokenExample]:
    for example in examples:
        place = 0
        for start, end in example.words:
            if not place <= start < end <= len(example.text):
                raise _broken(task, path, example, f"word {start} to {end}", "words in order, within the text")
            place = end
        for entity in example.entities:
            if not 0 <= entity.start < entity.end <= len(example.text):
                given = f"{entity.type} {entity.start} to {entity.end}"
                raise _broken(task, path, example, given, "entities within the text")
        yield example


def _broken(task: TaskSpec, path: Path, example: TokenExample, given: str, allowed: str) -> DataError:
    return DataError(
        f"the reader of {task.name} gave an example that is not sound",
        where=f"{path}, example {example.id}",
        given=f"{given} in a text of {len(example.text)} characters",
        allowed=allowed,
    )

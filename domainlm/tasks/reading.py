"""The examples of a task's splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from domainlm.api import (
    SPLITS,
    DataError,
    ProblemLog,
    RelationExample,
    SequenceExample,
    SpanExample,
    Split,
    TaskKind,
    TaskSpec,
    TokenExample,
)
from domainlm.api.failures import refused
from domainlm.api.record_types import UNSOUND_EXAMPLE
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.shared_examples import count_shared


@dataclass(frozen=True, slots=True)
class SplitExamples:
    """What one split holds.

    Attributes:
        examples: the records of the task's kind, in the order of the files.
        problems: what readers, and later the task, skipped or mended.
        where: the files, for messages.
        part: how many examples, counted as limits count them, were taken of how many; None where all were.
    """

    examples: tuple[Any, ...]
    problems: ProblemLog
    where: str
    part: tuple[int, int] | None = None


def read_splits(task: TaskSpec, files: Mapping[Split, tuple[Path, ...]]) -> dict[Split, SplitExamples]:
    """Read the splits that have files, in the order train, dev, test; what they share is counted in their problems.

    Raises:
        DataError: there are no training files, a split has no example, or an example breaks the rules of its record.
    """
    if not files.get("train"):
        raise DataError("no training files", where=task.name, remedy="give files for the training split")
    found = {split: _read_split(task, split, files[split]) for split in SPLITS if files.get(split)}
    count_shared(
        {split: data.examples for split, data in found.items()},
        {split: data.problems for split, data in found.items()},
    )
    return found


def _read_split(task: TaskSpec, split: Split, paths: tuple[Path, ...]) -> SplitExamples:
    problems = ProblemLog()
    examples = tuple(
        example for path in paths for example in _checked(task.read_part(path, split, problems), task, path)
    )
    where = ", ".join(map(str, paths))
    if not examples:
        raise DataError("no example", where=where, given=problems.summary() or None)
    return SplitExamples(examples, problems, where)


def limit_splits(splits: Mapping[Split, SplitExamples], settings: FinetuningSettings) -> dict[Split, SplitExamples]:
    """The splits with no more examples than the settings allow, which are spread evenly over each."""
    limits = {"train": settings.max_examples}
    return {split: _spread(data, limits.get(split, settings.max_scored_examples)) for split, data in splits.items()}


def _spread(data: SplitExamples, limit: int | None) -> SplitExamples:
    """Examples of one group, which follow one another, stay together and count as one."""
    if limit is None:
        return data
    groups = [
        tuple(members) for _, members in groupby(enumerate(data.examples), key=lambda each: _group_of(each[1], each[0]))
    ]
    if len(groups) <= limit:
        return data
    chosen = [groups[place * len(groups) // limit] for place in range(limit)]
    examples = tuple(example for group in chosen for _, example in group)
    return replace(data, examples=examples, part=(limit, len(groups)))


def _group_of(example: object, place: int) -> object:
    return getattr(example, "group", "") or place


class _Fault(NamedTuple):
    """What is not sound about an example, and what would be."""

    given: str
    allowed: str


def _checked(examples: Iterable[Any], task: TaskSpec, path: Path) -> Iterator[Any]:
    find_fault = _FIND_FAULT[task.kind]
    for example in examples:
        fault = find_fault(example)
        if fault is not None:
            read, at = task.read_split or task.read, f"{path}, example {getattr(example, 'id', '?')}"
            raise refused(read, task.reference, UNSOUND_EXAMPLE, given=fault.given, allowed=fault.allowed, at=at)
        yield example


def _token_fault(example: TokenExample) -> _Fault | None:
    place, length = 0, len(example.text)
    for start, end in example.words:
        if not place <= start < end <= length:
            return _Fault(f"word {start} to {end} in a text of {length} characters", "words in order, within the text")
        place = end
    return _outside(example.text, ((entity.start, entity.end, entity.type) for entity in example.entities))


def _sequence_fault(example: SequenceExample | RelationExample) -> _Fault | None:
    if isinstance(example, SequenceExample):
        if len(example.markers) > 2:
            return _Fault(f"{len(example.markers)} markers", "at most 2 markers")
        return _outside(example.text, ((marker.start, marker.end, marker.type) for marker in example.markers))
    ids = {mention.id for mention in example.mentions}
    if len(ids) < len(example.mentions):
        return _Fault("two mentions of one id", "ids that are unique in their document")
    for relation in example.relations:
        if relation.first == relation.second or not {relation.first, relation.second} <= ids:
            return _Fault(f"a relation from {relation.first!r} to {relation.second!r}", "two different mentions")
    return _outside(example.text, ((mention.start, mention.end, mention.type) for mention in example.mentions))


def _span_fault(example: SpanExample) -> _Fault | None:
    for answer in example.answers:
        if answer.start < 0 or not answer.text or not example.context.startswith(answer.text, answer.start):
            return _Fault(f"the answer {answer.text!r} at {answer.start}", "answers that stand where they say")
    if bool(example.gold) == example.is_impossible:
        return _Fault(
            f"{len(example.gold)} answers",
            "an answer, or that there is none: what has neither can be predicted for alone",
        )
    return None


def _outside(text: str, spans: Iterable[tuple[int, int, str]]) -> _Fault | None:
    for start, end, name in spans:
        if not 0 <= start < end <= len(text):
            given = f"{name} {start} to {end} in a text of {len(text)} characters"
            return _Fault(given, "spans within the text")
    return None


_FIND_FAULT: Mapping[TaskKind, Callable[[Any], _Fault | None]] = {
    "token": _token_fault,
    "sequence": _sequence_fault,
    "span": _span_fault,
}
"""For each kind what breaks the rules of its records; None where nothing does."""

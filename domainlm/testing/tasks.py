"""Checks of task specs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from domainlm.api import SPLITS, Entity, ProblemLog, Split, TaskKind, TaskSpec, TokenExample
from domainlm.api.record_types import UNSOUND_EXAMPLE, example_fault
from domainlm.testing.failure import CheckError
from domainlm.testing.samples import check_refusals, read_twice, write_sample
from domainlm.testing.sequences import check_sequence_example, count_labels
from domainlm.testing.spans import check_span_example, count_answers

_BLANKS = " \t\r\n"
"""White space of other kinds may be a word of a file in columns."""


@dataclass(frozen=True, slots=True)
class TaskCounts:
    """What a check has read.

    Attributes:
        num_examples: examples of all files.
        num_words: their words.
        num_entities: mentions by type.
        problems: what the reader skipped or mended, by kind.
        num_labels: for sequence tasks, examples or relations by label.
        num_answers: for span tasks, answers that have a place in their context.
        first_places: by kind the first problem, its place and what was found there.
    """

    num_examples: int
    num_words: int
    num_entities: dict[str, int]
    problems: dict[str, int]
    num_labels: dict[str, int] = field(default_factory=dict)
    num_answers: int = 0
    first_places: dict[str, str] = field(default_factory=dict)


def check_task(spec: TaskSpec, path: Path | None = None) -> TaskCounts:
    """Check a task on its own sample, or on a file.

    The sample is the same for the same seed; examples are the same each time they are read; words ascend, do not
    overlap and lie inside the text; entities lie on the text, begin and end at something visible, and are of the
    declared types, and so are labels; relations are between two mentions of their document; answers stand at their
    offsets, and questions have one or say that there is none; the spec's default settings are settings of
    fine-tuning; a missing and an empty file are refused. All this holds of `read_split`, too, where the spec has one:
    it is tried for each split of the sample, or of the file for all of them, of which one at least must be there. The
    spec can be handed to other processes, as training on several ranks does it.

    Args:
        spec: the task.
        path: a file to read; the spec's sample where None.

    Raises:
        CheckError: the first rule that is broken.
    """
    where = f"task {spec.reference}"
    check_task_defaults(spec, where)
    _check_travels(spec, where)
    with TemporaryDirectory(prefix="domainlm-check-") as name:
        folder = Path(name)
        splits = _splits_by_file(write_sample(spec, folder, where)) if path is None else {path: SPLITS}
        problems = ProblemLog()
        examples: list[Any] = []
        for file in splits:
            read = read_twice(spec.read, file, problems, where)
            check_examples(read, spec, f"{where}, {file.name}")
            spec.with_companions(file)  # raises where it gives no paths
            examples += read
        suffix = "".join(next(iter(splits)).suffixes)
        check_refusals(spec.read, folder, suffix, where)
        if spec.read_split is not None:
            for file, expected in splits.items():
                _check_parts(spec, file, expected, f"{where}, read_split", may_lack=path is not None)
            for split in SPLITS:
                check_refusals(_reader_of(spec, split), folder, suffix, f'{where}, read_split "{split}"')
    counts = TaskCounts(len(examples), 0, {}, dict(problems.counts), first_places=_first_places(problems))
    if spec.kind == "sequence":
        return replace(counts, num_labels=count_labels(examples))
    if spec.kind == "span":
        return replace(counts, num_answers=count_answers(examples))
    types = Counter(entity.type for example in examples for entity in example.entities)
    if not types:
        raise _no_entity(counts, where if path is None else str(path))
    num_words = sum(len(example.words) for example in examples)
    return replace(counts, num_words=num_words, num_entities=dict(sorted(types.items())))


def _first_places(problems: ProblemLog) -> dict[str, str]:
    first: dict[str, str] = {}
    for example in problems.examples:
        first.setdefault(example.kind, f"{example.where}: {example.detail}")
    return first


def _no_entity(counts: TaskCounts, where: str) -> CheckError:
    found = [f"{count} x {kind}, first at {counts.first_places[kind]}" for kind, count in counts.problems.items()]
    return CheckError(
        "no example has an entity",
        where=where,
        given="; ".join(found) or None,
        remedy="mend what the reader could not take" if found else "check that this is a file with annotations",
    )


def _splits_by_file(sample: Mapping[str, Collection[Path]]) -> dict[Path, tuple[Split, ...]]:
    """Of each file of a sample, the splits that are read from it."""
    files = dict.fromkeys(file for paths in sample.values() for file in paths)
    return {file: tuple(split for split in SPLITS if file in sample.get(split, ())) for file in files}


def _check_parts(spec: TaskSpec, file: Path, splits: Collection[Split], where: str, *, may_lack: bool) -> None:
    """Check what `read_split` gives of these splits of a file; where it may lack some, it must have one."""
    num_examples = 0
    for split in splits:
        place = f'{where} "{split}"'
        read = read_twice(_reader_of(spec, split), file, ProblemLog(), place, may_be_empty=may_lack)
        check_examples(read, spec, f"{place}, {file.name}")
        num_examples += len(read)
    if not num_examples:
        raise CheckError("the reader gives nothing of any split", where=f"{where}, {file}")


def _reader_of(spec: TaskSpec, split: Split) -> Callable[[Path, ProblemLog], Iterator[Any]]:
    """What reads one split of a file that holds several."""
    read = spec.read_split
    assert read is not None, spec.reference
    return lambda path, problems: read(path, split, problems)


def check_examples(examples: Sequence[object], spec: TaskSpec, where: str) -> None:
    """Check the records of one file: each sound, of the declared types, and with an id of its own.

    Raises:
        CheckError: the first rule that is broken.
    """
    ids: set[str] = set()
    for example in examples:
        name = getattr(example, "id", None)
        place = f"{where}, example {name!r}"
        fault = example_fault(example, spec.kind)
        if fault is not None:
            raise CheckError(UNSOUND_EXAMPLE, where=place, given=fault.given, allowed=fault.allowed)
        _CHECKS[spec.kind](example, spec, place)
        if not isinstance(name, str) or name in ids:
            raise CheckError("two examples of one file have one id", where=place)
        ids.add(name)


def _check_token_example(example: object, spec: TaskSpec, where: str) -> None:
    if not isinstance(example, TokenExample):
        raise CheckError("the reader must give TokenExamples", where=where, given=repr(example)[:200])
    _check_words(example, where)
    _check_entities(example, spec, where)


def _check_words(example: TokenExample, where: str) -> None:
    for start, end in example.words:
        if not 0 <= start < end <= len(example.text):
            raise CheckError(
                "a word lies outside the text", where=where, given=(start, end), allowed=f"0 to {len(example.text)}"
            )
        if example.text[start:end].strip(_BLANKS) != example.text[start:end]:
            raise CheckError("a word begins or ends with a blank", where=where, given=repr(example.text[start:end]))
    for left, right in pairwise(example.words):
        if left[1] > right[0]:
            raise CheckError("words must ascend and not overlap", where=where, given=f"{left}, {right}")


def _check_entities(example: TokenExample, spec: TaskSpec, where: str) -> None:
    if list(example.entities) != sorted(set(example.entities)):
        raise CheckError("entities must be sorted, each once", where=where, given=example.entities)
    for entity in example.entities:
        if not 0 <= entity.start < entity.end <= len(example.text):
            raise CheckError(
                "an entity lies outside the text", where=where, given=entity, allowed=f"0 to {len(example.text)}"
            )
        mention = example.text[entity.start : entity.end]
        if mention != mention.strip(_BLANKS):
            raise CheckError("an entity begins or ends with a blank", where=where, given=repr(mention))
        if spec.types and entity.type not in spec.types:
            raise CheckError("an entity has an undeclared type", where=where, given=entity.type, allowed=spec.types)
        if not _covers_a_word(entity, example):
            raise CheckError("an entity covers no word", where=where, given=f"{entity}: {mention!r}")


def _covers_a_word(entity: Entity, example: TokenExample) -> bool:
    return any(start < entity.end and entity.start < end for start, end in example.words)


def check_task_defaults(spec: TaskSpec, where: str) -> None:
    """Raise `SpecError` where the spec's default settings are no settings of fine-tuning."""
    from domainlm.recipe.finetuning import check_defaults  # here, since it imports pydantic

    check_defaults(spec, where)


def _check_travels(spec: TaskSpec, where: str) -> None:
    try:
        ForkingPickler.dumps(spec)
    except Exception as error:  # of many kinds
        raise CheckError(
            "the spec cannot be handed to the processes that train on several ranks",
            where=where,
            given=f"{type(error).__name__}: {error}",
            remedy="take functions that stand at the top of a module, and plain dictionaries",
        ) from error


_CHECKS: Mapping[TaskKind, Callable[[object, TaskSpec, str], None]] = {
    "token": _check_token_example,
    "sequence": check_sequence_example,
    "span": check_span_example,
}

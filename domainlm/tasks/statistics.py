"""Statistics of task data, for `domainlm task stats`. Each kind of task gives its own.

A kind registers `describe(task, data, vocabulary) -> list[Fact]` below, by name, so that nothing is imported before it
is asked for. Facts of one name mean the same in every split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from domainlm.api import Split, TaskKind, TaskSpec
from domainlm.tasks.reading import SplitExamples, read_splits

if TYPE_CHECKING:
    from domainlm.vocab.vocabulary import Vocabulary

_BY_KIND: Mapping[TaskKind, str] = {
    "token": "domainlm.tasks.token.statistics:describe",
    "sequence": "domainlm.tasks.sequence.statistics:describe",
    "span": "domainlm.tasks.span.statistics:describe",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One number about a split.

    Attributes:
        name: short, the same in every split ("words", "entities of type ship").
        value: a whole number, or one with digits behind the point.
        meaning: how it is counted; "" where the name says all.
    """

    name: str
    value: int | float
    meaning: str = ""


class Describe(Protocol):
    """What a kind registers."""

    def __call__(self, task: TaskSpec, data: SplitExamples, vocabulary: Vocabulary | None) -> list[Fact]:
        """Facts of one split; those that depend on a vocabulary only where one is given."""


def describe_splits(
    task: TaskSpec, files: Mapping[Split, tuple[Path, ...]], vocabulary: Vocabulary | None = None
) -> dict[Split, tuple[list[Fact], SplitExamples]]:
    """Read the splits and describe each.

    Raises:
        DataError: a split cannot be read.
    """
    module, _, name = _BY_KIND[task.kind].partition(":")
    describe: Describe = getattr(import_module(module), name)
    return {split: (describe(task, data, vocabulary), data) for split, data in read_splits(task, files).items()}


def summarise_lengths(name: str, lengths: Sequence[int]) -> list[Fact]:
    """Mean, median and maximum of some lengths; nothing where there are none."""
    if not lengths:
        return []
    ordered = sorted(lengths)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return [
        Fact(f"{name}, mean", sum(ordered) / len(ordered)),
        Fact(f"{name}, median", float(median)),
        Fact(f"{name}, maximum", ordered[-1]),
    ]

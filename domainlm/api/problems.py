"""Where readers put what is wrong with an input: counted by kind, the first few kept with file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAX_EXAMPLES_PER_KIND = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one place of an input.

    Attributes:
        kind: a short fixed phrase, the same for every problem of its sort ("mention text differs").
        where: the file with its line or byte, or the record's id.
        detail: what was found there.
    """

    kind: str
    where: str
    detail: str


class ProblemLog:
    """Counts what a reader skipped or mended, so that nothing is lost silently.

    Attributes:
        counts: problems of each kind.
        examples: the first few of each kind.
        skip_bad_input: whether a reader is to skip what it cannot read (a line in another encoding, the rest of a
            damaged file) and count it here; else it raises `DataError`.
    """

    def __init__(self, *, skip_bad_input: bool = False) -> None:
        self.skip_bad_input = skip_bad_input
        self.counts: Counter[str] = Counter()
        self.examples: list[Problem] = []

    def add(self, kind: str, detail: str, *, path: Path | str, line: int | None = None) -> None:
        """Count one problem and keep it as an example while there are few of its kind."""
        self.counts[kind] += 1
        if self.counts[kind] <= _MAX_EXAMPLES_PER_KIND:
            where = str(path) if line is None else f"{path}:{line}"
            self.examples.append(Problem(kind, where, detail))

    def extend(self, other: Mapping[str, Any]) -> None:
        """Add what another log held, given as its `as_dict`."""
        before = Counter(self.counts)
        self.counts.update(other["counts"])
        for example in other["examples"]:
            before[example["kind"]] += 1
            if before[example["kind"]] <= _MAX_EXAMPLES_PER_KIND:
                self.examples.append(Problem(example["kind"], example["where"], example["detail"]))

    def summary(self) -> str:
        """One line: every kind with its count; empty where nothing was wrong."""
        return ", ".join(f"{count} x {kind}" for kind, count in sorted(self.counts.items()))

    def as_dict(self) -> dict[str, object]:
        """The counts and the kept examples, for a manifest."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "examples": [{"kind": p.kind, "where": p.where, "detail": p.detail} for p in self.examples],
        }

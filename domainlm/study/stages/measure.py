"""What is measured without training: break-up rates, and facts of tasks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from domainlm.api import Split, TaskSpec
from domainlm.errors import DataError, nearest_name
from domainlm.files import read_json, write_json
from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.sources import InputFile, companion_identity, pairs_identity, sample_files
from domainlm.tasks.reading import read_splits
from domainlm.tasks.statistics import describe_splits
from domainlm.vocab.rate import break_up_rate
from domainlm.vocab.vocabulary import Vocabulary

_MEASURED_FILE = "measured.json"

Facts = dict[str, list[dict[str, Any]]]
"""What is measured, by split; each fact has "name" and "value", and may have "meaning" and "counts"."""


@dataclass(frozen=True, kw_only=True)
class TaskMeasureStage(Stage):
    """Reads splits of a task and writes what is measured on each, a list of facts by split."""

    spec: TaskSpec
    name: str
    files: Mapping[Split, tuple[InputFile, ...]]
    companions: tuple[InputFile, ...] = ()
    splits: tuple[Split, ...]

    def identity(self) -> Mapping[str, Any]:
        """The reader, the bytes it reads, and the splits."""
        files = {split: [file.sha256 for file in files] for split, files in sorted(self.files.items())}
        further = companion_identity(self.companions) | pairs_identity(self.spec)
        return {"spec": self.spec.reference, "files": files, **further, "splits": list(self.splits)}

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Measure; leaves measured.json."""
        files = {split: tuple(file.path for file in files) for split, files in self.files.items()}
        if "sample" in context.inputs:
            files = sample_files(context.inputs["sample"])  # type: ignore[assignment]  # keys are the splits' names
        wanted = {split: paths for split, paths in files.items() if split in (*self.splits, "train")}
        measured = self.measured(wanted, context)
        write_json(
            context.folder / _MEASURED_FILE, {split: measured[split] for split in self.splits if split in measured}
        )
        return {"splits": sorted(measured)}

    @abstractmethod
    def measured(self, files: Mapping[Split, tuple[Path, ...]], context: StageContext) -> Facts:
        """What is measured."""


@dataclass(frozen=True, kw_only=True)
class BreakUpRateStage(TaskMeasureStage):
    """Sub-tokens per word inside the entities of a task."""

    kind: ClassVar[str] = "break-up"

    def identity(self) -> Mapping[str, Any]:
        """As of every task measure, and the library that cuts words."""
        return {**super().identity(), "tokenizers": version("tokenizers")}

    def measured(self, files: Mapping[Split, tuple[Path, ...]], context: StageContext) -> Facts:
        """The rate of each split, and what it was counted from."""
        vocabulary = Vocabulary.load(context.inputs["vocabulary"] / "vocabulary")
        found = Facts()
        for split, data in read_splits(self.spec, files).items():
            rate = break_up_rate(vocabulary, data.examples, self.spec.types)
            found[split] = [{"name": "break-up rate", "value": rate.rate, "counts": asdict(rate)}]
            context.problems.extend(data.problems.as_dict())
        return found


@dataclass(frozen=True, kw_only=True)
class TaskFactsStage(TaskMeasureStage):
    """Everything that `domainlm task stats` counts."""

    kind: ClassVar[str] = "task-facts"

    by_label: tuple[str, ...] = ()
    """Facts asked for whose names hold a type or a label: there must be such a one in the data."""

    def identity(self) -> Mapping[str, Any]:
        """As of every task measure, and the names that the data must know."""
        return {**super().identity(), **({"by_label": list(self.by_label)} if self.by_label else {})}

    def measured(self, files: Mapping[Split, tuple[Path, ...]], context: StageContext) -> Facts:
        """The facts of each split.

        Raises:
            DataError: a type or label is asked for that none of the splits has.
        """
        found = Facts()
        for split, (facts, data) in describe_splits(self.spec, files).items():
            found[str(split)] = [asdict(fact) for fact in facts]
            context.problems.extend(data.problems.as_dict())
        names = dict.fromkeys(fact["name"] for split in self.splits for fact in found.get(split, ()))
        for name in self.by_label:
            if name not in names:
                raise DataError(
                    "no such fact of this task",
                    where=f"{self.name}: {', '.join(self.splits)}",
                    given=name,
                    allowed=list(names),
                    nearest=nearest_name(name, names),
                    remedy="measure.task_facts names what `domainlm task stats` prints",
                )
        return found


def measured_facts(folder: Path) -> Mapping[str, list[dict[str, Any]]]:
    """What a stage of this module measured, by split."""
    facts: Mapping[str, list[dict[str, Any]]] = read_json(folder / _MEASURED_FILE)
    return facts


def chosen_facts(facts: list[dict[str, Any]], names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The facts of these names, in their order, without those that this task or split does not have."""
    by_name = {fact["name"]: fact for fact in facts}
    return (by_name[name] for name in names if name in by_name)

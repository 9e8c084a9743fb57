"""The frozen spec of a downstream task; see `domainlm.api.specs`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from domainlm.api.failures import blamed, read_by, refused
from domainlm.api.fetching import FetchPlan
from domainlm.api.field_checks import (
    check_callable,
    check_choice,
    check_distinct,
    check_mapping,
    check_optional,
    check_strings,
    check_text,
)
from domainlm.api.field_names import with_known_fields
from domainlm.api.problems import ProblemLog
from domainlm.api.record_types import UNSOUND_EXAMPLE, example_fault
from domainlm.api.relations import PairRules
from domainlm.api.sample_writer import SampleWriter
from domainlm.api.spec_base import SpecBase

TaskKind = Literal["token", "sequence", "span"]
"""The kinds of task: "token" labels every word, "sequence" a text, a pair of texts or a pair of mentions, "span" finds
the answer to a question in a context."""

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec(SpecBase):
    """A downstream data set: its kind, its reader and how it is usually trained.

    Training on several ranks hands the spec to other processes, so its functions stand at the top of a module (or are
    `functools.partial` of such), and its mappings are plain dictionaries.

    Attributes:
        kind: "token" labels words; "sequence" texts; "span" answers questions.
        read: `read(path, problems)` streams the examples of one file.
        types: the entity types to label, or the labels of sequences; empty takes those of the training file.
        scored_types: the labels of sequences that precision, recall and F1 pool; empty takes all.
        pairs: how documents with relations become examples, where the reader yields such.
        companions: further files that the reader opens beside one; they count as input as that one does.
        read_split: `read_split(path, split, problems)` streams what a file that holds several splits has of one; it is
            used in place of `read` where it is given.
        files: file names of each split below the folder that a recipe gives; the first that exists is taken, also
            with `.gz` added. One with `*`, `?` or `[...]` stands for all files that it matches.
        defaults: fine-tuning settings of this task (keys of the recipe's `[finetuning]`), below the recipe's own.
        sample: writes a synthetic sample, where the spec ships one.
        source: where the real data comes from, and under which licence.
        fetch: how `domainlm task fetch` gets the real data, under names of `files`.
    """

    kind: TaskKind
    read: Callable[[Path, ProblemLog], Iterator[Any]]
    types: tuple[str, ...] = ()
    scored_types: tuple[str, ...] = ()
    pairs: PairRules | None = None
    companions: Callable[[Path], tuple[Path, ...]] | None = None
    read_split: Callable[[Path, Split, ProblemLog], Iterator[Any]] | None = None
    files: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    sample: SampleWriter | None = None
    source: str = ""
    fetch: FetchPlan | None = None

    def _check(self, where: str) -> None:
        check_choice(self.kind, get_args(TaskKind), "kind", where)
        check_callable(self.read, "read", where, takes=("path", "problems"))
        check_strings(self.types, "types", where)
        check_strings(self.scored_types, "scored_types", where)
        check_distinct(self.types, "types", where)
        check_distinct(self.scored_types, "scored_types", where)
        for label in self.scored_types if self.types else ():
            check_choice(label, self.types, "scored_types", where)
        check_optional(self.pairs, PairRules, "pairs", where)
        if self.companions is not None:
            check_callable(self.companions, "companions", where, takes=("path",))
        if self.read_split is not None:
            check_callable(self.read_split, "read_split", where, takes=("path", "split", "problems"))
        for key in ("files", "defaults"):
            check_mapping(getattr(self, key), key, where)
        check_text(self.source, "source", where)
        for split, names in self.files.items():
            check_choice(split, SPLITS, "files", where)
            check_strings(names, f"files[{split!r}]", where)
        check_optional(self.sample, SampleWriter, "sample", where)
        check_optional(self.fetch, FetchPlan, "fetch", where)

    def read_part(self, path: Path, split: Split, problems: ProblemLog) -> Iterator[Any]:
        """Stream what a file has of one split: all of it, unless it holds several; raises as `read_all` does."""
        if self.read_split is None:
            return self.read_all(path, problems)
        return self._stream(self.read_split, path, split, problems)

    def read_all(self, path: Path, problems: ProblemLog) -> Iterator[Any]:
        """Stream all that a file has.

        Raises:
            UserError: the reader fails, as `read_by` says it, or gives what is no example of the task's kind.
        """
        return self._stream(self.read, path, problems)

    def _stream(self, read: Callable[..., Iterator[Any]], path: Path, *further: object) -> Iterator[Any]:
        for example in read_by(read, self.reference, path, *further, companions=self.companions):
            fault = example_fault(example, self.kind)
            if fault is not None:
                at = f"{path}, example {getattr(example, 'id', '?')!r}"
                raise refused(read, self.reference, UNSOUND_EXAMPLE, given=fault.given, allowed=fault.allowed, at=at)
            yield example

    def with_companions(self, path: Path) -> tuple[Path, ...]:
        """The file at `path`, and after it those of its companions that are there.

        Raises:
            PluginError: a plugin's `companions` fails, or gives what are no paths.
        """
        return (path, *(each for each in self._companions_of(path) if each.is_file()))

    def _companions_of(self, path: Path) -> tuple[Path, ...]:
        if self.companions is None:
            return ()
        with blamed(self.companions, self.reference, f"`companions` failed at {path}", chosen=lambda: (path,)):
            given: object = self.companions(path)
            beside = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
        if not isinstance(given, Iterable) or not all(isinstance(each, Path) for each in beside):
            problem, allowed = "`companions` must give paths", "a tuple of pathlib.Path"
            raise refused(
                self.companions, self.reference, problem, given=repr(given)[:200], allowed=allowed, at=str(path)
            )
        return beside

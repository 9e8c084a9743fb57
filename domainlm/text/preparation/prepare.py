"""The two steps of preparing a corpus: make its parts, anywhere and in any order; put them together.

```
WORK/plan.json            what the parts are made by; others are refused
WORK/guard.safetensors    the leak guard
WORK/parts/               see domainlm.text.preparation.parts; 000003.json says what the fourth group of files held
```
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from domainlm.api import ProblemLog
from domainlm.errors import DataError, StorageError
from domainlm.files import whole_file
from domainlm.text.corpus import check_sides
from domainlm.text.preparation.blocks import BLOCK_CHARACTERS, GROUP_BYTES, Shard
from domainlm.text.preparation.duplicates import temporary_table
from domainlm.text.preparation.joining import SideCounts, write_text, write_tokens
from domainlm.text.preparation.leaks import LeakGuard
from domainlm.text.preparation.merging import Decision, DuplicateSettings, Parts, decide, removal_lines
from domainlm.text.preparation.near import NearSettings, signature_version
from domainlm.text.preparation.parts import SIDES
from domainlm.text.preparation.passing import make_parts
from domainlm.text.preparation.reading import Input
from domainlm.text.preparation.work import Encoding, PartSettings

REMOVED_FILE = "removed.jsonl"
PARTS_FOLDER = "parts"
_PLAN_FILE = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finishing:
    """How parts are put together.

    Attributes:
        num_groups: groups of input files.
        duplicates: which duplicates go.
        held_out_share: share of the documents that is held out.
        dtype: type of the token ids, as numpy writes it; empty where the parts are not encoded.
    """

    num_groups: int
    duplicates: DuplicateSettings
    held_out_share: float
    dtype: str = ""

    @classmethod
    def of_plan(cls, plan: Mapping[str, Any]) -> Finishing:
        """As a plan says."""
        facts = dict(plan["finishing"])
        duplicates = dict(facts.pop("duplicates"))
        near = duplicates.pop("near")
        settings = DuplicateSettings(**duplicates, near=None if near is None else NearSettings(**near))
        return cls(duplicates=settings, **facts)


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How a corpus is prepared.

    Attributes:
        source: the documents.
        source_identity: what tells this input and its reader from any other, as JSON values.
        held_out_share: share of the documents that is held out.
        duplicates: which duplicates go.
        guard: finds documents that leak; None lets them be.
        encoding: how the text is encoded; None where no token ids are wanted.
    """

    source: Input
    source_identity: Mapping[str, Any]
    held_out_share: float
    duplicates: DuplicateSettings = field(default_factory=DuplicateSettings)
    guard: LeakGuard | None = None
    encoding: Encoding | None = None

    @property
    def finishing(self) -> Finishing:
        """How the parts are put together."""
        return Finishing(
            num_groups=len(self.source.groups),
            duplicates=self.duplicates,
            held_out_share=self.held_out_share,
            dtype="" if self.encoding is None else self.encoding.dtype,
        )

    def plan(self) -> dict[str, Any]:
        """Everything that decides the parts and how they are put together, as JSON values."""
        return {
            "source": dict(self.source_identity),
            "skip_bad_input": self.source.skip_bad_input,
            "max_documents": self.source.max_documents,
            **counted_identity(self.source.max_documents, replaced=self.duplicates.replaced),
            "guard": None if self.guard is None else self.guard.digest,
            "encoder": None if self.encoding is None else self.encoding.digest,
            "signatures": None if self.duplicates.near is None else signature_version(),
            "block_characters": BLOCK_CHARACTERS,
            "group_bytes": GROUP_BYTES,
            "finishing": asdict(self.finishing),
        }


def counted_identity(max_documents: int | None, *, replaced: bool) -> dict[str, Any]:
    """What to add to an identity where documents are counted: those that remove others once were, too."""
    return {"counted": "with paragraphs"} if max_documents is not None and replaced else {}


@dataclass(frozen=True, slots=True)
class Prepared:
    """What came out.

    Attributes:
        documents: how many were read, kept, and left out for which reason.
        sides: what is in each of the two parts of the corpus.
        problems: what was skipped or mended while reading.
    """

    documents: Mapping[str, int]
    sides: Mapping[str, SideCounts]
    problems: ProblemLog

    def as_dict(self) -> dict[str, Any]:
        """For a manifest."""
        return {"documents": dict(self.documents), **{side: self.sides[side].as_dict() for side in SIDES}}


def prepare_parts(
    preparation: Preparation, work: Path, *, num_workers: int, shard: Shard | None = None, title: str = "corpus"
) -> None:
    """Make the parts of a shard (of everything, where None) that are not in `work` yet.

    A call that was stopped, however hard, goes on with the first block that is not finished.

    Raises:
        DataError: input that cannot be read, where it is not skipped.
        MachineError: a worker process was killed.
        StorageError: `work` holds parts that were made in another way.
    """
    work.mkdir(parents=True, exist_ok=True)
    _claim(work, preparation.plan())
    guard = None
    if preparation.guard is not None:
        guard = work / "guard.safetensors"
        if not guard.exists():
            preparation.guard.save(guard)
    settings = PartSettings(
        parts=work / PARTS_FOLDER,
        held_out_share=preparation.held_out_share,
        near=preparation.duplicates.near,
        guard=guard,
        make_encoder=None if preparation.encoding is None else preparation.encoding.make_encoder,
    )
    make_parts(preparation.source, settings, num_workers=num_workers, shard=shard or Shard(), title=title)


def finish(
    finishing: Finishing,
    works: Sequence[Path],
    *,
    text: Path,
    tokens: Path | None,
    removed: Path,
    tokens_per_file: int | None = None,
    needed: Collection[str] = SIDES,
) -> Prepared:
    """Put the parts together, duplicates left out. The same parts give the same bytes, whoever made them.

    Args:
        finishing: how; `Preparation.finishing`, or as a plan says.
        works: the folders given to `prepare_parts`, which together hold every part. The first takes temporary files.
        text: folder for train.txt, held_out.txt and documents.tsv.
        tokens: folder for train.bin, train.idx, held_out.bin and held_out.idx; None where they are not wanted.
        removed: file for a line of JSON about each document left out.
        tokens_per_file: divide the token ids into files of about so many; see `write_tokens`.
        needed: the sides that must have a document.

    Raises:
        DataError: a part is missing, or no document is left for a side that is needed.
    """
    parts = Parts([work / PARTS_FOLDER for work in works], finishing.num_groups)
    problems = ProblemLog()
    for record in parts.records:
        problems.extend(record.problems)
    if not parts.num_documents:
        raise DataError("the corpus has no text", given=problems.summary() or "input without a document")
    place, table = temporary_table(works[0], parts.num_documents)
    with place:
        decision = decide(parts, table, finishing.duplicates)
    documents = decision.counts()
    train, held_out = np.bincount(decision.side[decision.kept], minlength=len(SIDES)).tolist()
    check_sides(train, held_out, documents["num_documents"] - train - held_out, finishing.held_out_share, needed)
    text.mkdir(parents=True, exist_ok=True)
    sides = write_text(parts, decision, text)
    if tokens is not None:
        tokens.mkdir(parents=True, exist_ok=True)
        write_tokens(parts, decision, tokens, np.dtype(finishing.dtype), sides, tokens_per_file)
    _write_removed(parts, decision, removed)
    return Prepared(documents, sides, problems)


def read_plan(work: Path) -> dict[str, Any]:
    """What the parts in `work` are made by; raises `DataError` where it is no such folder."""
    try:
        plan: dict[str, Any] = json.loads((work / _PLAN_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(
            "holds no prepared parts",
            where=work.parent,
            given=None if isinstance(error, FileNotFoundError) else str(error),
            allowed="the --out of a `domainlm corpus build --shard I/N`; a finished corpus has none any more",
        ) from error
    return plan


def holds_parts(work: Path) -> bool:
    """Whether `prepare_parts` has begun in `work`."""
    try:
        return "finishing" in read_plan(work)
    except (DataError, TypeError):
        return False


def check_same_plan(plan: Mapping[str, Any], work: Path) -> None:
    """Raise `StorageError` where the parts in `work` are made in another way than `plan` says."""
    there, wanted = read_plan(work), json.loads(json.dumps(plan))
    if there != wanted:
        different = sorted(key for key in {*there, *wanted} if there.get(key) != wanted.get(key))
        raise StorageError(
            "holds parts of a corpus that is prepared in another way",
            where=work.parent,
            given=f"other {', '.join(different)}",
            remedy="choose another folder, or remove this one",
        )


def _claim(work: Path, plan: Mapping[str, Any]) -> None:
    """Write down what the parts in `work` are made by; refuse where that is something else."""
    path = work / _PLAN_FILE
    if path.exists():
        check_same_plan(plan, work)
        return
    with whole_file(path) as stream:
        stream.write(json.dumps(plan, indent=1, sort_keys=True, ensure_ascii=False).encode())


def _write_removed(parts: Parts, decision: Decision, path: Path) -> None:
    with whole_file(path) as stream:
        for line in removal_lines(parts, decision):
            stream.write(line.encode("utf-8", "backslashreplace") + b"\n")  # which is how JSON writes them

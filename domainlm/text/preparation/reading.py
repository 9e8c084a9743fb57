"""Reading the input, group by group: which parts are missing, and what each group held."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.api import Document, ProblemLog
from domainlm.api.failures import read_by
from domainlm.errors import DataError
from domainlm.files import whole_file
from domainlm.text.documents import Read, check_document
from domainlm.text.preparation.blocks import BlockName, Group, Shard, cut_blocks
from domainlm.text.preparation.parts import is_finished, part_folder

Make = Callable[[BlockName, list[Document]], object]


@dataclass(frozen=True, slots=True)
class Input:
    """What is read.

    Attributes:
        read: streams the documents of a file.
        groups: the input files, in the order of the corpus.
        skip_bad_input: skip what cannot be read, and count it, instead of refusing the file.
        max_documents: stop reading after so many. Those without paragraphs, which only remove others, do not count.
        spec: whose reader it is, for messages.
    """

    read: Read
    groups: tuple[Group, ...]
    skip_bad_input: bool = False
    max_documents: int | None = None
    spec: str = ""


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """What a group of files held, written down once it was read to its end.

    Attributes:
        num_documents: documents read.
        num_texts: those of them that have paragraphs.
        num_blocks: blocks they make.
        problems: what was skipped or mended, as `ProblemLog.as_dict` gives it.
    """

    num_documents: int
    num_texts: int
    num_blocks: int
    problems: dict[str, Any]


class GroupReader:
    """Reads groups of the input and has their missing parts made.

    With fewer groups than shards, or where reading stops after `max_documents`, every shard reads all groups and has
    its share of the blocks made; else it reads its share of the groups.
    """

    def __init__(self, source: Input, parts: Path, shard: Shard) -> None:
        self._source = source
        self._parts = parts
        self._shard = shard
        self._by_block = len(source.groups) < shard.count or source.max_documents is not None

    def groups_to_do(self) -> list[int]:
        """Groups of which not all of our parts are there."""
        mine = [group for group in range(len(self._source.groups)) if self._by_block or self._shard.takes(group)]
        return [group for group in mine if not self._is_done(group)]

    def read(
        self,
        group: int,
        make: Make,
        *,
        done: Callable[[int], object] | None = None,
        is_stopped: Callable[[], bool] | None = None,
    ) -> int:
        """Read a group and hand each of our blocks whose part is missing to `make`.

        Args:
            group: its number.
            make: makes the part of a block.
            done: told how many documents are done with.
            is_stopped: asked after each block; the group is left there, without a record, where it says so.

        Returns:
            Number of documents read.
        """
        problems = ProblemLog(skip_bad_input=self._source.skip_bad_input)
        num_documents = num_texts = num_blocks = 0
        for number, block in enumerate(cut_blocks(self._documents(group, problems))):
            name = BlockName(group, number)
            if self._takes(name) and not is_finished(part_folder(self._parts, name)):
                make(name, block)
            num_documents += len(block)
            num_texts += sum(1 for document in block if document.paragraphs)
            num_blocks += 1
            if done is not None:
                done(len(block))
            if is_stopped is not None and is_stopped():
                return num_documents
        write_record(self._parts, group, GroupRecord(num_documents, num_texts, num_blocks, problems.as_dict()))
        return num_documents

    def _documents(self, group: int, problems: ProblemLog) -> Iterator[Document]:
        documents = (
            document for file in self._source.groups[group] for document in _read_file(self._source, file, problems)
        )
        limit = self._source.max_documents
        if limit is None:
            return documents
        before = sum(read_record(self._parts, earlier).num_texts for earlier in range(group))
        return _up_to(limit - before, documents)

    def _takes(self, name: BlockName) -> bool:
        return self._shard.takes(name.group + name.block) if self._by_block else self._shard.takes(name.group)

    def _is_done(self, group: int) -> bool:
        if not record_path(self._parts, group).is_file():
            return False
        names = (BlockName(group, block) for block in range(read_record(self._parts, group).num_blocks))
        return all(is_finished(part_folder(self._parts, name)) for name in names if self._takes(name))


def _up_to(num_texts: int, documents: Iterator[Document]) -> Iterator[Document]:
    """Documents until so many of them had paragraphs."""
    while num_texts > 0 and (document := next(documents, None)) is not None:
        num_texts -= bool(document.paragraphs)
        yield document


def _read_file(source: Input, file: Path, problems: ProblemLog) -> Iterator[Document]:
    """The documents of a file; where bad input is skipped, those before the place at which it becomes unreadable."""
    for document in _readable(source, file, problems):
        check_document(document, source.read, source.spec, file)  # no bad input: the reader is wrong
        yield document


def _readable(source: Input, file: Path, problems: ProblemLog) -> Iterator[Document]:
    try:
        yield from read_by(source.read, source.spec, file, problems)
    except DataError as error:
        if not source.skip_bad_input:
            raise
        problems.add("the rest of a file left out", f"{error.where or file}: {error.problem}", path=file)


def record_path(parts: Path, group: int) -> Path:
    """Where the record of a group is."""
    return parts / f"{group:06d}.json"


def read_record(parts: Path, group: int) -> GroupRecord:
    """Read the record of a group; raises `OSError` or `ValueError` where there is none."""
    content = json.loads(record_path(parts, group).read_bytes())
    num_texts = content.get("num_texts", content["num_documents"])  # earlier editions did not count them
    return GroupRecord(content["num_documents"], num_texts, content["num_blocks"], content["problems"])


def write_record(parts: Path, group: int, record: GroupRecord) -> None:
    """Write the record of a group."""
    content = {
        "num_documents": record.num_documents,
        "num_texts": record.num_texts,
        "num_blocks": record.num_blocks,
        "problems": record.problems,
    }
    with whole_file(record_path(parts, group)) as stream:
        stream.write(json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass"))

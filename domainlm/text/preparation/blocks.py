"""Cutting a corpus into groups of files and blocks of documents, and dividing these among machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from domainlm.api import Document
from domainlm.errors import UserError

BLOCK_CHARACTERS = 4 * 2**20
"""Characters after which a block ends. A function of the text alone, so that parts are the same everywhere."""

GROUP_BYTES = 4 * 2**20
"""Small files that follow one another are taken together until they have so many bytes."""

Group = tuple[Path, ...]


@dataclass(frozen=True, slots=True, order=True)
class BlockName:
    """The place of a block in the corpus.

    Attributes:
        group: number of the group of files, from 0.
        block: number of the block in its group, from 0.
    """

    group: int
    block: int

    def __str__(self) -> str:
        return f"{self.group:06d}-{self.block:06d}"


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several equal shares of the work.

    Attributes:
        index: which one, from 1.
        count: how many there are.
    """

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read "i/n"; raises `UserError` where it is no such thing."""
        first, slash, last = text.partition("/")
        if slash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last):
            return cls(int(first), int(last))
        raise UserError("not a shard", where="--shard", given=text, allowed="i/n, from 1/n to n/n")

    def takes(self, number: int) -> bool:
        """Whether the group or block of this number is ours."""
        return number % self.count == self.index - 1


def group_files(files: Sequence[Path]) -> tuple[Group, ...]:
    """Divide files, in their order, into groups of at least `GROUP_BYTES`; a large file is a group of its own."""
    groups: list[Group] = []
    current: list[Path] = []
    num_bytes = 0
    for file in files:
        current.append(file)
        num_bytes += file.stat().st_size
        if num_bytes >= GROUP_BYTES:
            groups.append(tuple(current))
            current, num_bytes = [], 0
    if current:
        groups.append(tuple(current))
    return tuple(groups)


def cut_blocks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Gather documents in order until they have `BLOCK_CHARACTERS` characters."""
    block: list[Document] = []
    num_characters = 0
    for document in documents:
        block.append(document)
        num_characters += sum(map(len, document.paragraphs))
        if num_characters >= BLOCK_CHARACTERS:
            yield block
            block, num_characters = [], 0
    if block:
        yield block

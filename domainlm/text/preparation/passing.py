"""The parallel pass over the input: every block becomes a part, by several processes, and nothing is made twice."""

from __future__ import annotations

import sys

from domainlm.api import Document
from domainlm.progress import Bar
from domainlm.text.preparation.blocks import BlockName, Shard
from domainlm.text.preparation.reading import GroupReader, Input
from domainlm.text.preparation.work import PartMaker, PartSettings
from domainlm.text.preparation.workers import Workers, is_stopped

_GROUPS_PER_WORKER = 2


def make_parts(source: Input, settings: PartSettings, *, num_workers: int, shard: Shard, title: str) -> None:
    """Make every part of a shard that is not there yet.

    With many groups of files, each worker reads groups of its own. With few, this process reads and hands out blocks.
    The parts are the same either way.

    Args:
        source: the documents.
        settings: what decides the parts.
        num_workers: processes; with one, all is done in this one. See `Workers`.
        shard: which parts are ours.
        title: what the progress bar says.

    Raises:
        DataError: input that cannot be read, where it is not skipped.
        MachineError: a worker was killed.
    """
    settings.parts.mkdir(parents=True, exist_ok=True)
    reader = GroupReader(source, settings.parts, shard)
    todo = reader.groups_to_do()
    with Bar(desc=title, unit=" documents", disable=None) as bar:
        if num_workers == 1 or not todo:
            maker = PartMaker(settings)
            for group in todo:
                reader.read(group, maker.make, done=bar.update)
            return
        is_by_group = len(todo) >= _GROUPS_PER_WORKER * num_workers and _may_travel(source)
        arguments = (settings, reader if is_by_group else None)
        with Workers(num_workers, _start, arguments) as workers:
            for group in todo:
                if is_by_group:
                    workers.submit(_make_group, group, done=bar.update)
                else:
                    reader.read(group, lambda name, block: workers.submit(_make_part, name, block), done=bar.update)
            workers.finish()


def _may_travel(source: Input) -> bool:
    """Whether another process can read the input by itself: it finds the reader by name, and counts no documents."""
    module = sys.modules.get(getattr(source.read, "__module__", ""))
    found = getattr(module, getattr(source.read, "__qualname__", ""), None)
    return found is source.read and source.max_documents is None


class _State:
    """What a worker process keeps between its tasks."""

    maker: PartMaker
    reader: GroupReader


def _start(settings: PartSettings, reader: GroupReader | None) -> None:
    _State.maker = PartMaker(settings)
    if reader is not None:
        _State.reader = reader


def _make_part(name: BlockName, documents: list[Document]) -> int:
    _State.maker.make(name, documents)
    return len(documents)


def _make_group(group: int) -> int:
    return _State.reader.read(group, _State.maker.make, is_stopped=is_stopped)

"""A finished text to token ids: in blocks, by several processes, going on where a stopped call left off."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from domainlm.errors import DataError
from domainlm.files import whole_file
from domainlm.progress import Bar
from domainlm.text.indexed import bin_path, idx_path, write_index
from domainlm.text.preparation.work import Encoder, Encoding
from domainlm.text.preparation.workers import Workers

_BLOCK_BYTES = 8 * 2**20
_READ_BYTES = 2**16
_BLANK_LINE = b"\n\n"


@dataclass(slots=True)
class EncodeCounts:
    """What `encode_text` wrote.

    Attributes:
        num_documents: documents with at least one token.
        num_sentences: sentences with at least one token.
        num_tokens: sub-tokens, without any special ones.
        num_empty_sentences: sentences that gave no token, which were left out.
    """

    num_documents: int = 0
    num_sentences: int = 0
    num_tokens: int = 0
    num_empty_sentences: int = 0

    def as_dict(self) -> dict[str, int]:
        """For a manifest."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Some documents of a text.

    Attributes:
        text: the file.
        start: first byte.
        stop: end (exclusive), behind a blank line.
    """

    text: Path
    start: int
    stop: int


def encode_text(text: Path, prefix: Path, *, encoding: Encoding, num_workers: int, work: Path) -> EncodeCounts:
    """Write the token ids of a file of sentences as an indexed dataset, one sequence a sentence, no special token.

    Args:
        text: one sentence a line, a blank line after each document, as `domainlm.text.corpus` describes it.
        prefix: `prefix.bin` and `prefix.idx` are written; they appear whole or not at all.
        encoding: how.
        num_workers: processes; with one, all is done in this one. See `Workers`.
        work: folder for encoded blocks; what a stopped call has left there is used. It is removed at the end.

    Raises:
        DataError: the text gives no token at all.
        MachineError: a worker was killed.
    """
    work.mkdir(parents=True, exist_ok=True)
    blocks = list(_blocks(text))
    todo = [number for number in range(len(blocks)) if not _counts_path(work, number).exists()]
    with Bar(desc=f"encode {text.name}", unit="B", unit_scale=True, total=text.stat().st_size, disable=None) as bar:
        bar.update(sum(block.stop - block.start for block in blocks) - sum(_sizes(blocks, todo)))
        if num_workers == 1 or not todo:
            _start(encoding.make_encoder)
            for number in todo:
                bar.update(_encode_block(blocks[number], number, work))
        else:
            with Workers(min(num_workers, len(todo)), _start, (encoding.make_encoder,)) as workers:
                for number in todo:
                    workers.submit(_encode_block, blocks[number], number, work, done=bar.update)
                workers.finish()
    counts = _join(work, len(blocks), prefix, np.dtype(encoding.dtype))
    if not counts.num_tokens:
        raise DataError("the text gives no token", where=text)
    shutil.rmtree(work)
    return counts


def _sizes(blocks: list[TextBlock], numbers: list[int]) -> Iterator[int]:
    return (blocks[number].stop - blocks[number].start for number in numbers)


def _blocks(text: Path) -> Iterator[TextBlock]:
    """Divide a text between documents."""
    size = text.stat().st_size
    with text.open("rb") as stream:
        start = 0
        while start < size:
            stop = _end_of_document(stream, min(start + _BLOCK_BYTES, size), size)
            yield TextBlock(text, start, stop)
            start = stop


def _end_of_document(stream: BinaryIO, place: int, size: int) -> int:
    """The first end of a blank line at `place` or behind it; the size of the file where there is none."""
    place = max(place - len(_BLANK_LINE), 0)
    stream.seek(place)
    before = b""
    while block := stream.read(_READ_BYTES):
        found = (before + block).find(_BLANK_LINE)
        if found >= 0:
            return place - len(before) + found + len(_BLANK_LINE)
        place += len(block)
        before = block[-1:]
    return size


class _State:
    """What a worker process keeps between its tasks."""

    encoder: Encoder


def _start(make_encoder: Callable[[], Encoder]) -> None:
    _State.encoder = make_encoder()


def _encode_block(block: TextBlock, number: int, work: Path) -> int:
    """Write the ids and counts of a block; returns its size in bytes."""
    with block.text.open("rb") as stream:
        stream.seek(block.start)
        content = stream.read(block.stop - block.start).decode("utf-8")
    documents = [document.split("\n") for document in content.rstrip("\n").split("\n\n")]
    encoded = _State.encoder.encode([sentence for document in documents for sentence in document])
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded)) // _State.encoder.dtype.itemsize
    ends = np.cumsum([len(document) for document in documents])
    num_encoded = np.add.reduceat((lengths > 0).astype(np.int64), np.concatenate([[0], ends[:-1]]))
    with whole_file(_ids_path(work, number)) as stream:
        stream.write(b"".join(encoded))
    with whole_file(_counts_path(work, number)) as stream:  # last: it says that the block is done
        for counts in (np.array(len(lengths)), lengths[lengths > 0], num_encoded[num_encoded > 0]):
            np.save(stream, counts)
    return block.stop - block.start


def _join(work: Path, num_blocks: int, prefix: Path, dtype: np.dtype[Any]) -> EncodeCounts:
    counts = EncodeCounts()
    for number in range(num_blocks):
        num_sentences, lengths, documents = _read_counts(work, number)
        counts.num_documents += len(documents)
        counts.num_sentences += len(lengths)
        counts.num_tokens += int(lengths.sum())
        counts.num_empty_sentences += num_sentences - len(lengths)

    def pieces() -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        return (_read_counts(work, number)[1:] for number in range(num_blocks))

    if counts.num_tokens:
        # Entered first, so renamed last: an index is never there without its ids.
        with whole_file(idx_path(prefix)) as index, whole_file(bin_path(prefix)) as ids:
            for number in range(num_blocks):
                with _ids_path(work, number).open("rb") as stream:
                    shutil.copyfileobj(stream, ids)
            write_index(index, dtype, pieces)
    return counts


def _read_counts(work: Path, number: int) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Sentences of a block, tokens of each sentence with any, such sentences of each document with any."""
    with _counts_path(work, number).open("rb") as stream:
        num_sentences, lengths, documents = (np.load(stream) for _ in range(3))
    return int(num_sentences), lengths, documents


def _ids_path(work: Path, number: int) -> Path:
    return work / f"{number:06d}.ids"


def _counts_path(work: Path, number: int) -> Path:
    return work / f"{number:06d}.npy"

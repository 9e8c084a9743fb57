"""The kept documents of all parts, put together: text files, indexed datasets, and a list of the documents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from domainlm.text.indexed import bin_path, idx_path, write_index
from domainlm.text.preparation.merging import Decision, Parts
from domainlm.text.preparation.parts import SIDES, Part
from domainlm.text.writing import whole_file

_COPY_BYTES = 2**20
DOCUMENTS_FILE = "documents.tsv"
DOCUMENTS_HEADER = ("id", "side", "byte", "num_bytes", "sentences", "words", "characters")


@dataclass(slots=True)
class SideCounts:
    """What is on one side of a finished corpus.

    Attributes:
        num_documents: documents with at least one sentence.
        num_sentences: lines of the text that are not blank.
        num_words: runs between white space.
        num_characters: with a blank between sentences.
        num_bytes: size of the text file.
        num_tokens: sub-tokens without special ones; 0 where the corpus is not encoded.
    """

    num_documents: int = 0
    num_sentences: int = 0
    num_words: int = 0
    num_characters: int = 0
    num_bytes: int = 0
    num_tokens: int = 0

    def as_dict(self) -> dict[str, int]:
        """For a manifest."""
        return asdict(self)


def write_text(parts: Parts, decision: Decision, folder: Path) -> dict[str, SideCounts]:
    """Write train.txt, held_out.txt and documents.tsv; they appear whole or not at all. Returns the counts by side."""
    counts = {side: SideCounts() for side in SIDES}
    with ExitStack() as stack:
        texts = [stack.enter_context(whole_file(folder / f"{side}.txt")) for side in SIDES]
        listing = stack.enter_context(whole_file(folder / DOCUMENTS_FILE))
        listing.write(("\t".join(DOCUMENTS_HEADER) + "\n").encode())
        for first, part in parts:
            kept = decision.kept[first : first + part.num_documents]
            columns = {name: part.column(name) for name in ("side", "num_bytes", "num_sentences", "num_words")}
            columns["num_characters"] = part.column("num_characters")
            for number, side in enumerate(SIDES):
                of_side = columns["side"] == number
                _copy_kept(part.file(side, "txt"), texts[number], columns["num_bytes"][of_side], kept[of_side])
            listing.write(_listing(part, kept, columns, counts).encode("utf-8", "surrogatepass"))
    return counts


def write_tokens(
    parts: Parts, decision: Decision, folder: Path, dtype: np.dtype[Any], counts: dict[str, SideCounts]
) -> None:
    """Write the indexed datasets of both sides; fills in the tokens of `counts`.

    Args:
        parts: encoded.
        decision: which documents stay.
        folder: for train.bin, train.idx, held_out.bin and held_out.idx.
        dtype: of the ids.
        counts: by side.
    """
    for number, side in enumerate(SIDES):

        def kept_lengths(number: int = number, side: str = side) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
            for first, part in parts:
                yield _kept_lengths(part, number, side, decision.kept[first : first + part.num_documents])

        # Entered first, so renamed last: an index is never there without its ids.
        with whole_file(idx_path(folder / side)) as index, whole_file(bin_path(folder / side)) as ids:
            for first, part in parts:
                of_side = part.column("side") == number
                sizes = part.column("num_tokens")[of_side] * dtype.itemsize
                kept = decision.kept[first : first + part.num_documents][of_side]
                _copy_kept(part.file(side, "ids"), ids, sizes, kept)
                counts[side].num_tokens += int(sizes[kept].sum()) // dtype.itemsize
            write_index(index, dtype, kept_lengths)


def _kept_lengths(part: Part, number: int, side: str, kept: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Tokens of each kept sentence, and sentences of each kept document that has any."""
    of_side = part.column("side") == number
    num_encoded = part.column("num_encoded")[of_side]
    lengths = part.column(f"{side}_lengths")[np.repeat(kept[of_side], num_encoded)]
    documents = num_encoded[kept[of_side]]
    return lengths, documents[documents > 0]


def _copy_kept(source: Path, target: BinaryIO, sizes: NDArray[np.int64], kept: NDArray[np.bool_]) -> None:
    """Copy pieces of a file that lie one after the other.

    Args:
        source: the file.
        target: written to.
        sizes: bytes of each piece, [num_pieces].
        kept: which pieces to copy, [num_pieces].
    """
    ends = np.cumsum(sizes)
    changes = np.flatnonzero(np.diff(np.concatenate([[0], kept.astype(np.int8), [0]])))
    with source.open("rb") as stream:
        for first, last in zip(changes[0::2].tolist(), changes[1::2].tolist(), strict=True):
            start = int(ends[first - 1]) if first else 0
            stream.seek(start)
            remaining = int(ends[last - 1]) - start
            while remaining:
                block = stream.read(min(_COPY_BYTES, remaining))
                assert block, source  # its size was checked against its part's manifest
                target.write(block)
                remaining -= len(block)


def _listing(
    part: Part, kept: NDArray[np.bool_], columns: dict[str, NDArray[Any]], counts: dict[str, SideCounts]
) -> str:
    """The lines of documents.tsv; fills in the counts."""
    lines: list[str] = []
    ids = part.ids()
    numbers = zip(
        columns["side"].tolist(),
        columns["num_bytes"].tolist(),
        columns["num_sentences"].tolist(),
        columns["num_words"].tolist(),
        columns["num_characters"].tolist(),
        strict=True,
    )
    for is_kept, given, (number, num_bytes, num_sentences, num_words, num_characters) in zip(
        kept.tolist(), ids, numbers, strict=True
    ):
        if not is_kept:
            continue
        side = SIDES[number]
        total = counts[side]
        lines.append(
            f"{escaped(given)}\t{side}\t{total.num_bytes}\t{num_bytes}\t{num_sentences}\t{num_words}\t{num_characters}\n"
        )
        total.num_documents += 1
        total.num_sentences += num_sentences
        total.num_words += num_words
        total.num_characters += num_characters
        total.num_bytes += num_bytes
    return "".join(lines)


def escaped(text: str) -> str:
    r"""An id as it stands in documents.tsv: backslash, tab and line ends as `\\`, `\t`, `\n`, `\r`."""
    if text.isprintable() and "\\" not in text:
        return text
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")

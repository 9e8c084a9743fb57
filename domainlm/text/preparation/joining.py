"""The kept documents of all parts, put together: text files, indexed datasets, and a list of the documents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from domainlm.files import whole_file
from domainlm.text.indexed import bin_path, idx_path, write_index
from domainlm.text.preparation.merging import Decision, Parts
from domainlm.text.preparation.parts import SIDES, Part
from domainlm.text.several import numbered_prefix

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
            listing.write(_listing(part, kept, columns, counts).encode())
    return counts


def write_tokens(
    parts: Parts,
    decision: Decision,
    folder: Path,
    dtype: np.dtype[Any],
    counts: dict[str, SideCounts],
    tokens_per_file: int | None = None,
) -> None:
    """Write the indexed datasets of both sides; fills in the tokens of `counts`.

    Args:
        parts: encoded.
        decision: which documents stay.
        folder: for train.bin, train.idx, held_out.bin and held_out.idx.
        dtype: of the ids.
        counts: by side.
        tokens_per_file: write several files instead, train-00000.bin and so on, each ended by the part that brings it
            to so many tokens.
    """
    for number, side in enumerate(SIDES):
        pieces = [_Piece(part, number, decision.kept[first : first + part.num_documents]) for first, part in parts]
        files = [pieces] if tokens_per_file is None else list(_divided(pieces, tokens_per_file))
        for place, of_file in enumerate(files):
            prefix = folder / side if tokens_per_file is None else numbered_prefix(folder / side, place)
            counts[side].num_tokens += _write_file(of_file, prefix, dtype)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one part gives to one side.

    Attributes:
        part: the part.
        number: of the side.
        kept: which documents of the part stay, [num_documents].
    """

    part: Part
    number: int
    kept: NDArray[np.bool_]

    def num_tokens(self) -> int:
        """Tokens that stay."""
        is_wanted = self.kept & (self.part.column("side") == self.number)
        return int(self.part.column("num_tokens")[is_wanted].sum())


def _divided(pieces: list[_Piece], tokens_per_file: int) -> Iterator[list[_Piece]]:
    """The pieces of each file; the last one may be empty of tokens where there are none at all."""
    current: list[_Piece] = []
    num_tokens = 0
    for piece in pieces:
        current.append(piece)
        num_tokens += piece.num_tokens()
        if num_tokens >= tokens_per_file:
            yield current
            current, num_tokens = [], 0
    if num_tokens:
        yield current


def _write_file(pieces: list[_Piece], prefix: Path, dtype: np.dtype[Any]) -> int:
    """Write one .bin with its .idx; returns the number of tokens."""
    num_tokens = 0
    # Entered first, so renamed last: an index is never there without its ids.
    with whole_file(idx_path(prefix)) as index, whole_file(bin_path(prefix)) as ids:
        for piece in pieces:
            of_side = piece.part.column("side") == piece.number
            sizes = piece.part.column("num_tokens")[of_side]
            kept = piece.kept[of_side]
            _copy_kept(piece.part.file(SIDES[piece.number], "ids"), ids, sizes * dtype.itemsize, kept)
            num_tokens += int(sizes[kept].sum())
        write_index(index, dtype, lambda: (_kept_lengths(piece) for piece in pieces))
    return num_tokens


def _kept_lengths(piece: _Piece) -> tuple[NDArray[Any], NDArray[Any]]:
    """Tokens of each kept sentence, and sentences of each kept document that has any."""
    of_side = piece.part.column("side") == piece.number
    kept = piece.kept[of_side]
    num_encoded = piece.part.column("num_encoded")[of_side]
    lengths = piece.part.column(f"{SIDES[piece.number]}_lengths")[np.repeat(kept, num_encoded)]
    documents = num_encoded[kept]
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
    text = text.encode("utf-8", "backslashreplace").decode()  # half of a surrogate pair
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")

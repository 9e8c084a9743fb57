"""What a worker does: documents to the sentences, token ids and table of one part."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from domainlm.api import Document
from domainlm.text.corpus import document_sentences, is_held_out
from domainlm.text.preparation.blocks import BlockName
from domainlm.text.preparation.hashing import hash_words
from domainlm.text.preparation.leaks import Leak, LeakGuard
from domainlm.text.preparation.near import NearSettings, band_hashes, make_signatures
from domainlm.text.preparation.parts import SIDES, Status, new_part, write_table

_MAX_VERSION = 2**31 - 1


class Encoder(Protocol):
    """Turns sentences into token ids.

    Attributes:
        dtype: integer type of the ids.
    """

    dtype: np.dtype[Any]

    def encode(self, sentences: Sequence[str]) -> list[bytes]:
        """The ids of each sentence, without special tokens, as the bytes of an array of `dtype`."""
        ...


@dataclass(frozen=True, slots=True)
class Encoding:
    """How text becomes token ids.

    Attributes:
        make_encoder: makes the encoder, in any process: a function that can be imported by its name, or a
            `functools.partial` of one.
        dtype: type of the ids, as numpy writes it ("<u2").
        digest: tells this encoder from any other.
    """

    make_encoder: Callable[[], Encoder]
    dtype: str
    digest: str


@dataclass(frozen=True, slots=True)
class PartSettings:
    """What decides the content of a part, besides its documents. It travels to worker processes.

    Attributes:
        parts: folder of the parts.
        held_out_share: share of the documents that is held out.
        near: make signatures for near duplicates, this way.
        guard: file of the leak guard.
        make_encoder: makes the encoder, where token ids are wanted; see `Encoding`.
    """

    parts: Path
    held_out_share: float
    near: NearSettings | None = None
    guard: Path | None = None
    make_encoder: Callable[[], Encoder] | None = None


class PartMaker:
    """Makes parts, one after the other. Guard and encoder are loaded for the first one."""

    def __init__(self, settings: PartSettings) -> None:
        self._settings = settings

    def make(self, name: BlockName, documents: Sequence[Document]) -> None:
        """Write the part of a block."""
        table = _Table(documents, self._settings.held_out_share)
        table.find_leaks(self._guard)
        with new_part(self._settings.parts, name) as folder:
            self._write_text(folder, table)
            columns = table.columns()
            if self._encoder is not None:
                columns |= self._write_ids(folder, table, self._encoder)
            if self._settings.near is not None:
                columns |= table.signature_columns(self._settings.near)
            leaks = {
                row: {"task": leak.task, "example": leak.example, "shared": leak.num_shared, "share": leak.share}
                for row, leak in table.leaks.items()
            }
            write_table(folder, columns, [document.id for document in documents], leaks)

    @cached_property
    def _guard(self) -> LeakGuard | None:
        return None if self._settings.guard is None else LeakGuard.load(self._settings.guard)

    @cached_property
    def _encoder(self) -> Encoder | None:
        return None if self._settings.make_encoder is None else self._settings.make_encoder()

    def _write_text(self, folder: Path, table: _Table) -> None:
        for side, name in enumerate(SIDES):
            with (folder / f"{name}.txt").open("wb") as stream:
                for row in table.kept_rows(side):
                    table.num_bytes[row] = stream.write(
                        ("\n".join(table.sentences[row]) + "\n\n").encode("utf-8", "surrogatepass")
                    )

    def _write_ids(self, folder: Path, table: _Table, encoder: Encoder) -> dict[str, NDArray[Any]]:
        """Write the ids; return tokens and sentences of each document, and tokens of each sentence, side by side."""
        columns: dict[str, NDArray[Any]] = {
            "num_tokens": np.zeros(len(table.sentences), np.int64),
            "num_encoded": np.zeros(len(table.sentences), np.int32),
        }
        for side, name in enumerate(SIDES):
            with (folder / f"{name}.ids").open("wb") as stream:
                columns[f"{name}_lengths"] = _encode_rows(table, table.kept_rows(side), encoder, stream, columns)
        return columns


def _encode_rows(
    table: _Table, rows: Sequence[int], encoder: Encoder, stream: BinaryIO, columns: dict[str, NDArray[Any]]
) -> NDArray[np.int32]:
    """Write the ids of some documents and fill in their counts; returns the tokens of each sentence with any."""
    sentences = [sentence for row in rows for sentence in table.sentences[row]]
    encoded = encoder.encode(sentences)
    stream.write(b"".join(encoded))
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded)) // encoder.dtype.itemsize
    first = 0
    for row in rows:
        own = lengths[first : first + len(table.sentences[row])]
        first += len(own)
        columns["num_tokens"][row] = own.sum()
        columns["num_encoded"][row] = np.count_nonzero(own)
    return lengths[lengths > 0].astype(np.int32)


class _Table:
    """The documents of a block, and what is found out about them."""

    def __init__(self, documents: Sequence[Document], held_out_share: float) -> None:
        self.sentences = [document_sentences(document) for document in documents]
        self.texts = [" ".join(sentences) for sentences in self.sentences]
        self.sides = [int(is_held_out(document.id, held_out_share)) for document in documents]
        self.status = [_status(*pair) for pair in zip(documents, self.sentences, strict=True)]
        self.id_digests = [_digest(document.id) for document in documents]
        self.versions = [min(document.version, _MAX_VERSION) for document in documents]
        self.words, self.places = hash_words(self.texts)
        self.leaks: dict[int, Leak] = {}
        self.num_bytes = np.zeros(len(documents), np.int64)

    def find_leaks(self, guard: LeakGuard | None) -> None:
        if guard is None:
            return
        self.leaks = guard.check(self.words, self.places)
        for row in self.leaks:
            self.status[row] = Status.LEAKED

    def kept_rows(self, side: int) -> list[int]:
        return [row for row, status in enumerate(self.status) if status == Status.KEPT and self.sides[row] == side]

    def columns(self) -> dict[str, NDArray[Any]]:
        return {
            "status": np.array(self.status, np.uint8),
            "side": np.array(self.sides, np.uint8),
            "digests": np.array([_digest(text) for text in self.texts], np.uint64).reshape(-1, 2),
            "id_digests": np.array(self.id_digests, np.uint64).reshape(-1, 2),
            "versions": np.array(self.versions, np.int32),
            "num_sentences": np.array([len(sentences) for sentences in self.sentences], np.int32),
            "num_words": np.array([text.count(" ") + 1 if text else 0 for text in self.texts], np.int64),
            "num_characters": np.array([len(text) for text in self.texts], np.int64),
            "num_bytes": self.num_bytes,
        }

    def signature_columns(self, settings: NearSettings) -> dict[str, NDArray[Any]]:
        """Signatures and bands. Texts without a word get zeros; `has_signature` tells."""
        has_words = np.diff(self.places) > 0
        rows = np.flatnonzero(has_words)
        signatures = np.zeros((len(self.texts), settings.num_slots), np.uint32)
        bands = np.zeros((settings.num_bands, len(self.texts)), np.uint64)
        if len(rows):
            places = np.append(self.places[rows], self.places[-1])
            signatures[rows] = make_signatures(self.words, places, settings)
            bands[:, rows] = band_hashes(signatures[rows], settings)
        return {"signatures": signatures, "bands": bands, "has_signature": has_words.astype(np.uint8)}


def _status(document: Document, sentences: Sequence[str]) -> Status:
    if not document.paragraphs:
        return Status.REMOVAL
    return Status.KEPT if sentences else Status.EMPTY


def _digest(text: str) -> tuple[int, int]:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")

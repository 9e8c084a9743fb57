"""What one rank writes of a checkpoint: its tensors, or a copy of them in host memory, and in a thread its files."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, Field

from domainlm.model.tensor_file import write_tensors
from domainlm.parallel.shards import Shard
from domainlm.train.checkpoints.disk import describe_file
from domainlm.train.checkpoints.manifest import Kind, Piece, StoredFile, StoredTensor, piece_file, piece_key


class Part(BaseModel):
    """What one rank wrote.

    Attributes:
        tensors: by kind and name, with the pieces of this rank alone.
        files: size and hash of every file.
    """

    tensors: dict[Kind, dict[str, StoredTensor]] = Field(default_factory=dict)
    files: dict[str, StoredFile] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HeldPiece:
    """A piece of a tensor, and its place."""

    name: str
    tensor: torch.Tensor
    global_shape: tuple[int, ...]
    offsets: tuple[int, ...]

    @property
    def key(self) -> str:
        """Name in the file."""
        return piece_key(self.name, self.offsets, is_whole=tuple(self.tensor.shape) == self.global_shape)


def hold(shards: Iterable[Shard], *, copy: bool = True) -> list[HeldPiece]:
    """What this rank is to write of `shards`, without empty pieces.

    Args:
        shards: of this rank.
        copy: to host memory, so that training may go on; else it must not until all is written.
    """
    return [
        HeldPiece(
            shard.name,
            shard.tensor.detach().to("cpu", copy=True) if copy else shard.tensor.detach(),
            tuple(shard.global_shape),
            tuple(shard.offsets),
        )
        for shard in shards
        if shard.is_writer and (shard.is_whole or shard.tensor.numel())
    ]


def write_part(folder: Path, rank: int, held: Mapping[Kind, list[HeldPiece]], placed: Iterable[str]) -> Part:
    """Write a rank's files, durably, and describe them.

    Args:
        folder: of the checkpoint in work.
        rank: world rank.
        held: the pieces; a rank that has none of a kind writes no file of it.
        placed: files that lie in the folder already, to be described with them.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    part = Part()
    for kind, pieces in held.items():
        if pieces:
            write_pieces(folder, piece_file(kind, rank), kind, pieces, part)
    for name in placed:
        part.files[name] = describe_file(folder / name)
    return part


def write_pieces(folder: Path, file: str, kind: Kind, pieces: list[HeldPiece], part: Part) -> None:
    """Write one file of pieces, and note it in `part`."""
    written = write_tensors(folder / file, {piece.key: piece.tensor for piece in pieces})
    part.files[file] = StoredFile(bytes=written.num_bytes, sha256=written.sha256)
    stored = part.tensors.setdefault(kind, {})
    for piece in pieces:
        entry = Piece(file=file, key=piece.key, offsets=piece.offsets, shape=tuple(piece.tensor.shape))
        before = stored[piece.name].pieces if piece.name in stored else ()
        stored[piece.name] = StoredTensor(
            dtype=str(piece.tensor.dtype).removeprefix("torch."), shape=piece.global_shape, pieces=(*before, entry)
        )


class PartWriter(threading.Thread):
    """Writes a part beside the training.

    Args: as for `write_part`.
    """

    def __init__(self, folder: Path, rank: int, held: Mapping[Kind, list[HeldPiece]], placed: Iterable[str]) -> None:
        super().__init__(name="checkpoint", daemon=True)
        self._folder, self._rank, self._held, self._placed = folder, rank, held, placed
        self._part: Part | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Write; what goes wrong is kept for `result`."""
        try:
            self._part = write_part(self._folder, self._rank, self._held, self._placed)
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop's thread raises it
            self._error = error
        finally:
            self._held = {}  # the copies are not needed any longer

    def result(self) -> Part:
        """Wait for the end; gives what was written, or raises what went wrong."""
        self.join()
        if self._error is not None:
            raise self._error
        assert self._part is not None, "the thread has ended without an error"
        return self._part

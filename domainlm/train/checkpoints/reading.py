"""Reads pieces of a checkpoint's tensors, whatever grid wrote them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from domainlm.errors import ModelError, shortened
from domainlm.parallel.shards import Shard
from domainlm.parallel.state_names import names_by_parameter
from domainlm.train.checkpoints.manifest import Kind, Manifest, Piece

_MAX_NAMED = 5
_REMEDY = "remove the folder, or train into another one"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was found whole.

    Attributes:
        folder: its files.
        manifest: what it says of itself.
    """

    folder: Path
    manifest: Manifest

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self.manifest.step

    @property
    def state(self) -> Mapping[str, Mapping[str, Any]]:
        """Small values of the milestones, by milestone and key."""
        return self.manifest.milestones

    @property
    def unsettled(self) -> Mapping[str, float] | None:
        """Metrics of the last step where its milestones are still to be run; None where they are done."""
        return self.manifest.unsettled

    def files(self, milestone: str) -> dict[str, Path]:
        """The files of one milestone, by name."""
        folder = self.folder / "files" / milestone
        return {path.name: path for path in sorted(folder.iterdir())} if folder.is_dir() else {}

    @contextmanager
    def tensors(self, kind: Kind) -> Iterator[TensorReader]:
        """Open the tensors of one kind."""
        with ExitStack() as stack:
            yield TensorReader(self, kind, stack)

    def load(self, kind: Kind, shards: Iterable[Shard]) -> None:
        """Fill tensors in place, each with its piece; beside them only one is in memory at a time.

        Raises:
            ModelError: the checkpoint is of another model.
        """
        with self.tensors(kind) as reader:
            for shard in shards:
                piece = reader.read(shard.name, shard.offsets, tuple(shard.tensor.shape), shard.global_shape)
                with torch.no_grad():
                    shard.tensor.copy_(piece)

    def optimizer(self, weights: Iterable[Shard]) -> Iterator[tuple[str, torch.Tensor]]:
        """What the optimizer keeps of these weights, by `PARAMETER|KEY`: the same pieces, one at a time."""
        names = names_by_parameter(self.manifest.optimizer)
        with self.tensors("optimizer") as reader:
            for shard in weights:
                for name in names.get(shard.name, ()):
                    is_alike = self.manifest.optimizer[name].shape == tuple(shard.global_shape)
                    yield name, reader.read(name, shard.offsets, shard.tensor.shape) if is_alike else reader.read(name)

    def check_names(self, names: Iterable[str]) -> None:
        """Raise `ModelError` unless these are the names of the weights."""
        wanted, found = set(names), set(self.manifest.weights)
        if wanted != found:
            raise ModelError(
                "this checkpoint holds the weights of another model",
                where=self.folder,
                given=f"missing: {_named(wanted - found)}; unexpected: {_named(found - wanted)}",
                remedy=_REMEDY,
            )


class TensorReader:
    """The tensors of one kind, read in pieces; files stay open while the context of `Checkpoint.tensors` lasts."""

    def __init__(self, checkpoint: Checkpoint, kind: Kind, stack: ExitStack) -> None:
        self._folder = checkpoint.folder
        self._stored = checkpoint.manifest.tensors(kind)
        self._stack = stack
        self._open: dict[str, Any] = {}

    def read(
        self,
        name: str,
        offsets: Sequence[int] | None = None,
        shape: Sequence[int] | None = None,
        global_shape: Sequence[int] | None = None,
    ) -> torch.Tensor:
        """A rectangular piece of a tensor.

        Args:
            name: the tensor's name in the whole model.
            offsets: index of the piece's first element; the whole tensor where None.
            shape: the piece's size along each dimension.
            global_shape: what the reader takes for the whole tensor's shape, to be checked.

        Raises:
            ModelError: there is no such tensor, or it has another shape.
        """
        stored = self._stored.get(name)
        if stored is None:
            raise ModelError(f"this checkpoint of another model has no {name}", where=self._folder, remedy=_REMEDY)
        wanted = stored.shape if global_shape is None else tuple(global_shape)
        if wanted != stored.shape:
            raise ModelError(
                f"{name} has another shape in this checkpoint of another model",
                where=self._folder,
                given=str(stored.shape),
                allowed=str(wanted),
                remedy=_REMEDY,
            )
        start = tuple(offsets) if offsets is not None else (0,) * len(wanted)
        size = tuple(shape) if shape is not None else wanted
        for piece in stored.pieces:
            if piece.offsets == start and piece.shape == size:
                return self._slice(piece, start, size)
        return self._assemble(stored.pieces, getattr(torch, stored.dtype), start, size)

    def _assemble(
        self, pieces: Sequence[Piece], dtype: torch.dtype, start: tuple[int, ...], size: tuple[int, ...]
    ) -> torch.Tensor:
        whole = torch.empty(size, dtype=dtype)
        num_filled = 0
        for piece in pieces:
            low = [max(a, b) for a, b in zip(start, piece.offsets, strict=True)]
            ends = zip(start, size, piece.offsets, piece.shape, strict=True)
            high = [min(a + length, b + other) for a, length, b, other in ends]
            if all(a < b for a, b in zip(low, high, strict=True)):
                lengths = tuple(b - a for a, b in zip(low, high, strict=True))
                place = tuple(slice(a - b, a - b + n) for a, b, n in zip(low, start, lengths, strict=True))
                whole[place] = self._slice(piece, tuple(low), lengths)
                num_filled += math.prod(lengths)
        assert num_filled == whole.numel(), "the manifest was checked to cover every tensor"
        return whole

    def _slice(self, piece: Piece, start: tuple[int, ...], size: tuple[int, ...]) -> torch.Tensor:
        """Elements of a piece, by their place in the whole tensor."""
        stream = self._open.get(piece.file)
        if stream is None:
            stream = self._stack.enter_context(safe_open(self._folder / piece.file, framework="pt"))
            self._open[piece.file] = stream
        if not piece.shape or (start, size) == (piece.offsets, piece.shape):
            tensor: torch.Tensor = stream.get_tensor(piece.key)
            return tensor
        place = tuple(slice(a - b, a - b + n) for a, b, n in zip(start, piece.offsets, size, strict=True))
        part: torch.Tensor = stream.get_slice(piece.key)[place]
        return part


def _named(names: set[str]) -> str:
    return shortened(sorted(names), _MAX_NAMED) or "none"

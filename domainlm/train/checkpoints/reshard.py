"""Writes a checkpoint as another grid would have written it, a tensor at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from domainlm.errors import ModelError, StorageError
from domainlm.files import sync_folder, synced_file
from domainlm.model.shard_plan import split_of
from domainlm.model.tensor_file import write_tensors
from domainlm.parallel.stages import Division
from domainlm.parallel.state_names import names_by_parameter, split_state_name
from domainlm.plan.stages import divide_layers
from domainlm.plan.work import Degrees
from domainlm.train.checkpoints.disk import link_or_copy
from domainlm.train.checkpoints.manifest import (
    MANIFEST,
    Kind,
    Manifest,
    Piece,
    StoredFile,
    StoredTensor,
    piece_file,
    piece_key,
)
from domainlm.train.checkpoints.reading import Checkpoint

_KINDS: tuple[Kind, ...] = ("weights", "optimizer")
_LAYERS = "encoder.layers."
_EMBEDDINGS = "encoder.embeddings."

_Part = tuple[tuple[int, ...], tuple[int, ...]]
"""Offsets and shape."""


@dataclass(slots=True)
class _Target:
    """What is written: for each kind and tensor its pieces, and for each file the pieces in it, by their keys."""

    pieces: dict[Kind, dict[str, list[Piece]]] = field(default_factory=lambda: {kind: {} for kind in _KINDS})
    files: dict[str, dict[str, tuple[Kind, str, Piece]]] = field(default_factory=dict)


def reshard(checkpoint: Checkpoint, target: Path, degrees: Degrees) -> Checkpoint:
    """Write `checkpoint` as `degrees` would have, without checking its files: verify it first.

    All that is read and written at a time is one piece. The first data rank's files hold everything, as they do
    where the optimizer is not divided.

    Args:
        checkpoint: to be read.
        target: a folder that is not there yet.
        degrees: of the other grid.

    Raises:
        StorageError: `target` exists.
        ModelError: a tensor does not divide by the tensor degree.
        OSError: the disk is full, or the folder cannot be written.
    """
    if target.exists():
        raise StorageError("exists already", where=target, remedy="name a folder that is not there")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        manifest = _write(checkpoint, partial, degrees)
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync_folder(target.parent)
    return Checkpoint(target, manifest)


def _write(checkpoint: Checkpoint, folder: Path, degrees: Degrees) -> Manifest:
    before = checkpoint.manifest
    layout = _lay_out(before, degrees)
    files: dict[str, StoredFile] = {}
    for name, contents in sorted(layout.files.items()):
        files[name] = _write_file(checkpoint, folder / name, contents)
    for name in before.files:
        if name.startswith("files/"):  # the milestones' own
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(checkpoint.folder / name, folder / name)
            files[name] = before.files[name]
    changes: dict[str, object] = {
        kind: {
            name: stored.model_copy(update={"pieces": tuple(layout.pieces[kind][name])})
            for name, stored in before.tensors(kind).items()
        }
        for kind in _KINDS
    }
    manifest = before.model_copy(update={**changes, "files": dict(sorted(files.items())), "grid": degrees})
    with synced_file(folder / MANIFEST) as stream:
        stream.write(manifest.as_bytes())
    sync_folder(folder)
    return manifest


def _write_file(checkpoint: Checkpoint, path: Path, contents: Mapping[str, tuple[Kind, str, Piece]]) -> StoredFile:
    def blank(kind: Kind, name: str, piece: Piece) -> torch.Tensor:
        dtype = getattr(torch, checkpoint.manifest.tensors(kind)[name].dtype)
        return torch.empty(piece.shape, dtype=dtype, device="meta")

    def read(key: str) -> torch.Tensor:
        kind, name, piece = contents[key]
        with checkpoint.tensors(kind) as reader:
            return reader.read(name, piece.offsets, piece.shape)

    written = write_tensors(path, {key: blank(*entry) for key, entry in contents.items()}, read=read)
    return StoredFile(bytes=written.num_bytes, sha256=written.sha256)


def _lay_out(manifest: Manifest, degrees: Degrees) -> _Target:
    target = _Target()
    stages = _stages(manifest, degrees)
    for kind in _KINDS:
        for name, stored in manifest.tensors(kind).items():
            parameter = name if kind == "weights" else split_state_name(name)[0]
            stage = stages[parameter]
            is_shaped = stored.shape == manifest.weights[parameter].shape if parameter in manifest.weights else False
            pieces = _pieces(parameter if is_shaped else "", stored, degrees)
            target.pieces[kind][name] = []
            for tensor_rank, (offsets, shape) in enumerate(pieces):
                rank = stage * degrees.tensor + tensor_rank
                file = piece_file(kind, rank)
                key = piece_key(name, offsets, is_whole=shape == stored.shape)
                piece = Piece(file=file, key=key, offsets=offsets, shape=shape)
                target.pieces[kind][name].append(piece)
                target.files.setdefault(file, {})[key] = (kind, name, piece)
    return target


def _pieces(
    parameter: str, stored: StoredTensor, degrees: Degrees
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Offsets and shape of the part of each tensor rank, as `domainlm.parallel.tensor` divides it."""
    split = split_of(parameter.rpartition(".")[0]) if parameter else None
    whole, degree = stored.shape, degrees.tensor
    if split is None or degree == 1 or (split == "row" and parameter.endswith(".bias")):
        yield (0,) * len(whole), whole
        return
    dim = 1 if split == "row" else 0
    if split != "vocabulary" and whole[dim] % degree:
        raise ModelError(
            f"{parameter} cannot be divided over the tensor ranks", given=degree, allowed=f"a divisor of {whole[dim]}"
        )
    size = -(-whole[dim] // degree)
    for start in range(0, whole[dim], size):
        length = min(size, whole[dim] - start)
        yield (
            tuple(start if place == dim else 0 for place in range(len(whole))),
            tuple(length if place == dim else full for place, full in enumerate(whole)),
        )


def _stages(manifest: Manifest, degrees: Degrees) -> dict[str, int]:
    """The pipeline stage of each parameter."""
    names = [*manifest.weights, *names_by_parameter(manifest.optimizer)]
    layers = {int(name.removeprefix(_LAYERS).partition(".")[0]) for name in names if name.startswith(_LAYERS)}
    num_layers = divide_layers(max(layers, default=-1) + 1, degrees.pipeline, 0.0)
    division = Division(num_layers, degrees.pipeline)
    stage_of = {layer: stage for stage in range(division.num_stages) for layer in division.layers(stage)}

    def place(name: str) -> int:
        if name.startswith(_LAYERS):
            return stage_of[int(name.removeprefix(_LAYERS).partition(".")[0])]
        return 0 if name.startswith(_EMBEDDINGS) else division.num_stages - 1

    return {name: place(name) for name in names}

"""Checkpoints as people look at them: by folder, outside of any run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from domainlm.errors import ModelError
from domainlm.train.checkpoints.disk import file_problem
from domainlm.train.checkpoints.manifest import MANIFEST, Kind, Manifest, read_manifest
from domainlm.train.checkpoints.reading import Checkpoint
from domainlm.train.checkpoints.runs import checkpoint_folders

_REMEDY = "name a folder such as .../checkpoints/step-00000500, or one that holds some"


@dataclass(frozen=True, slots=True)
class FileLine:
    """A file of a checkpoint.

    Attributes:
        name: its path in the folder.
        num_bytes: its size.
        num_tensors: tensors, or pieces of them, in it.
        num_elements: numbers in these.
    """

    name: str
    num_bytes: int
    num_tensors: int
    num_elements: int


def find_checkpoints(folder: Path) -> list[Path]:
    """The checkpoint that a folder is, or those that it or its `checkpoints` holds, oldest first.

    Raises:
        ModelError: there is none.
    """
    for root in (folder / "checkpoints", folder):
        found = checkpoint_folders(root) if root.is_dir() else []
        if found:
            return found
    if (folder / MANIFEST).is_file() or folder.name.startswith("step-"):
        return [folder]
    raise ModelError("there is no checkpoint here", where=folder, remedy=_REMEDY)


def open_checkpoint(folder: Path) -> Checkpoint:
    """A checkpoint by its folder, or the newest one that a folder holds; its files are not checked.

    Raises:
        ModelError: it is none, or its manifest is damaged.
    """
    found = find_checkpoints(folder)[-1]
    problem, manifest = read_manifest(found)
    if manifest is None:
        raise ModelError(f"not a good checkpoint: {problem}", where=found, remedy=_REMEDY)
    return Checkpoint(found, manifest)


def problems_of(folder: Path) -> list[str]:
    """All that is wrong with a checkpoint; every byte of it is read."""
    problem, manifest = read_manifest(folder)
    if manifest is None:
        return [problem]
    found = [file_problem(folder / name, facts) for name, facts in manifest.files.items()]
    stray = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST and path.relative_to(folder).as_posix() not in manifest.files
    )
    uncovered = [
        f"{name} is not there as a whole"
        for tensors in (manifest.weights, manifest.optimizer)
        for name, tensor in tensors.items()
        if not tensor.is_covered
    ]
    return [*filter(None, found), *uncovered, *(f"{name} does not belong to it" for name in stray)]


def num_elements(manifest: Manifest, kind: Kind) -> int:
    """Numbers in all tensors of a kind."""
    return sum(torch.Size(tensor.shape).numel() for tensor in manifest.tensors(kind).values())


def file_lines(manifest: Manifest) -> list[FileLine]:
    """The files of a checkpoint."""
    tensors: Counter[str] = Counter()
    elements: Counter[str] = Counter()
    for stored in (*manifest.weights.values(), *manifest.optimizer.values()):
        for piece in stored.pieces:
            tensors[piece.file] += 1
            elements[piece.file] += torch.Size(piece.shape).numel()
    return [
        FileLine(name, facts.bytes, tensors[name], elements[name]) for name, facts in sorted(manifest.files.items())
    ]

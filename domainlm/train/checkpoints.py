"""Checkpoints of a run: whole or not there, checked by hash, the last good one found again.

```
WORK/checkpoints/step-00000500/
    weights.safetensors      parameters and buffers by their names in the model
    optimizer.safetensors    moments and step counts, named PARAMETER|KEY
    files/NAME               files that milestones keep
    manifest.json            written last: step, run, milestones' state, size and sha256 of every file
```
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from domainlm.errors import ModelError
from domainlm.model.tensor_file import write_tensors

_log = logging.getLogger(__name__)
_FORMAT = 1
_FOLDER = "checkpoints"
_MANIFEST = "manifest.json"
_WEIGHTS = "weights.safetensors"
_OPTIMIZER = "optimizer.safetensors"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was found whole.

    Attributes:
        folder: its files.
        step: optimizer steps done.
        state: small values of the milestones, by milestone and key.
    """

    folder: Path
    step: int
    state: Mapping[str, Mapping[str, Any]]

    def weights(self) -> dict[str, torch.Tensor]:
        """The model's tensors by name."""
        return load_file(self.folder / _WEIGHTS)

    def optimizer(self) -> dict[str, torch.Tensor]:
        """The optimizer's tensors by name."""
        return load_file(self.folder / _OPTIMIZER)

    def files(self, milestone: str) -> dict[str, Path]:
        """The files of one milestone, by name."""
        folder = self.folder / "files" / milestone
        return {path.name: path for path in sorted(folder.iterdir())} if folder.is_dir() else {}


class Checkpoints:
    """The checkpoints of one run.

    Args:
        work: the run's folder.
        run: says which run this is; a checkpoint of another one is refused.
        num_kept: older ones are removed once so many newer ones are complete.
    """

    def __init__(self, work: Path, run: str, num_kept: int) -> None:
        self._root = work / _FOLDER
        self._run = run
        self._num_kept = num_kept

    def save(
        self,
        step: int,
        *,
        weights: Mapping[str, torch.Tensor],
        optimizer: Mapping[str, torch.Tensor],
        state: Mapping[str, Mapping[str, Any]],
        files: Mapping[str, Mapping[str, Path]],
    ) -> Path:
        """Write a checkpoint: into a temporary folder, synced, the manifest last, then renamed."""
        final = self._root / f"step-{step:08}"
        temporary = self._root / f".{final.name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        write_tensors(temporary / _WEIGHTS, weights)
        write_tensors(temporary / _OPTIMIZER, optimizer)
        for milestone, paths in files.items():
            folder = temporary / "files" / milestone
            folder.mkdir(parents=True)
            for name, path in paths.items():
                _link_or_copy(path, folder / name)
        manifest = {
            "format": _FORMAT,
            "step": step,
            "run": self._run,
            "state": state,
            "files": {path.relative_to(temporary).as_posix(): _describe(path) for path in _files_below(temporary)},
        }
        _write_synced(temporary / _MANIFEST, json.dumps(manifest, indent=1, allow_nan=True).encode())
        _sync_folder(temporary)
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
        _sync_folder(self._root)
        self._remove_old()
        return final

    def latest(self) -> Checkpoint | None:
        """The newest whole checkpoint; damaged ones are named in a warning and passed over.

        Raises:
            ModelError: the newest whole one belongs to another run.
        """
        for folder in reversed(self._folders()):
            problem, manifest = _inspect(folder)
            if problem is not None:
                _log.warning("checkpoint %s is passed over: %s", folder, problem)
                continue
            if manifest["run"] != self._run:
                raise ModelError(
                    "this checkpoint belongs to another run",
                    where=folder,
                    remedy="remove the folder, or train into another one",
                )
            return Checkpoint(folder, manifest["step"], manifest["state"])
        return None

    def _folders(self) -> list[Path]:
        return sorted(self._root.glob("step-*")) if self._root.is_dir() else []

    def _remove_old(self) -> None:
        for folder in self._folders()[: -self._num_kept]:
            shutil.rmtree(folder, ignore_errors=True)


def remove_checkpoints(work: Path) -> None:
    """Remove all checkpoints of a run that is done."""
    shutil.rmtree(work / _FOLDER, ignore_errors=True)


def _inspect(folder: Path) -> tuple[str | None, dict[str, Any]]:
    """What is wrong with a checkpoint (None: nothing), and its manifest. Every byte is checked."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
    except (OSError, ValueError):
        return "its manifest is missing or damaged, so it was not finished", {}
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        return "its format is not known to this version", {}
    for name, facts in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing", {}
        if _hash(path) != facts["sha256"]:
            return f"{name} is damaged: its bytes are not those that were written", {}
    return None, manifest


def _files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return {"bytes": path.stat().st_size, "sha256": _hash(path)}


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _link_or_copy(source: Path, target: Path) -> None:
    """Milestones replace their files and never change them in place, so a second name for the same bytes will do."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

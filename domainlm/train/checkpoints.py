"""Checkpoints of a run: whole or not there, checked by hash, the last good one found again.

```
WORK/checkpoints/step-00000500/
    weights.safetensors      parameters and buffers by their names in the model
    optimizer.safetensors    moments and step counts, named PARAMETER|KEY
    files/MILESTONE/NAME     files that milestones keep
    manifest.json            written last: step, run, milestones' state, size and sha256 of every file
```

A checkpoint whose step still has milestones to do is called `step-00000500-unsettled`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
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
_NAME = re.compile(r"step-(\d+)(-unsettled)?")
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was found whole.

    Attributes:
        folder: its files.
        step: optimizer steps done.
        state: small values of the milestones, by milestone and key.
        unsettled: metrics of the last step where its milestones are still to be run; None where they are done.
    """

    folder: Path
    step: int
    state: Mapping[str, Mapping[str, Any]]
    unsettled: Mapping[str, float] | None

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
        unsettled: Mapping[str, float] | None = None,
    ) -> Path:
        """Write a checkpoint: into a temporary folder, synced, the manifest last, then renamed.

        Raises:
            OSError: the disk is full, or the folder cannot be written. Earlier checkpoints are as they were.
        """
        final = self._root / f"step-{step:08}{'' if unsettled is None else '-unsettled'}"
        temporary = self._root / f".{final.name}.partial"
        facts = {"format": _FORMAT, "step": step, "run": self._run, "state": state, "unsettled": unsettled}
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            described = _write_files(temporary, weights, optimizer, files)
            _write_synced(temporary / _MANIFEST, json.dumps({**facts, "files": described}, indent=1).encode())
            _sync_folder(temporary)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _remove(final)  # only a damaged one can have this name: a run goes on from the last whole one
        temporary.rename(final)
        _sync_folder(self._root)
        self._remove_old(final)
        return final

    def latest(self) -> Checkpoint | None:
        """The newest whole checkpoint; damaged and unfinished ones are named in a warning and passed over.

        Raises:
            ModelError: the newest whole one belongs to another run.
        """
        self._remove_unfinished()
        for folder in reversed(self._folders()):
            problem, manifest = _inspect(folder)
            if problem:
                _log.warning("checkpoint %s is passed over: %s", folder, problem)
                continue
            if manifest["run"] != self._run:
                raise ModelError(
                    "this checkpoint belongs to another run",
                    where=folder,
                    remedy="remove the folder, or train into another one",
                )
            return Checkpoint(folder, manifest["step"], manifest["state"], manifest["unsettled"])
        return None

    def _folders(self) -> list[Path]:
        """All that have a checkpoint's name, oldest first; a settled one comes after the unsettled one of its step."""
        if not self._root.is_dir():
            return []
        named = [(match, folder) for folder in self._root.iterdir() if (match := _NAME.fullmatch(folder.name))]
        return [folder for _, folder in sorted(named, key=lambda each: (int(each[0][1]), each[0][2] is None))]

    def _remove_unfinished(self) -> None:
        for folder in sorted(self._root.glob(".*.partial")):
            _log.warning("checkpoint %s was not finished: it is removed", folder)
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self._root.glob(".*.removed"):
            shutil.rmtree(folder, ignore_errors=True)

    def _remove_old(self, newest: Path) -> None:
        """Remove what is older than the last few up to the one just written; what is later is damaged, and replaced."""
        folders = self._folders()
        for folder in folders[: max(0, folders.index(newest) + 1 - self._num_kept)]:
            _remove(folder)


def remove_checkpoints(work: Path) -> None:
    """Remove all checkpoints of a run that is done: all of them or none, wherever this is interrupted."""
    _remove(work / _FOLDER)


def _inspect(folder: Path) -> tuple[str, dict[str, Any]]:
    """What is wrong with a checkpoint ("" for nothing), and its manifest. Every byte is checked."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
    except (OSError, ValueError):
        return "its manifest is missing or damaged", {}
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        return "its format is not known to this version", {}
    if not {"step", "run", "state", "unsettled", "files"} <= manifest.keys():
        return "its manifest is damaged", {}
    problems = (_file_problem(folder / name, facts) for name, facts in manifest["files"].items())
    return next((problem for problem in problems if problem), ""), manifest


def _file_problem(path: Path, facts: Mapping[str, Any]) -> str:
    if not path.is_file():
        return f"{path.name} is missing"
    if path.stat().st_size != facts["bytes"]:
        return f"{path.name} has {path.stat().st_size:,} bytes, not the {facts['bytes']:,} that were written"
    return (
        "" if _hash(path) == facts["sha256"] else f"{path.name} is damaged: its bytes are not those that were written"
    )


def _write_files(
    folder: Path,
    weights: Mapping[str, torch.Tensor],
    optimizer: Mapping[str, torch.Tensor],
    files: Mapping[str, Mapping[str, Path]],
) -> dict[str, Any]:
    """Write everything but the manifest; returns size and hash of each file."""
    described = {}
    for name, tensors in ((_WEIGHTS, weights), (_OPTIMIZER, optimizer)):
        written = write_tensors(folder / name, tensors)
        described[name] = {"bytes": written.num_bytes, "sha256": written.sha256}
    for target, source in _file_names(folder, files):
        target.parent.mkdir(parents=True, exist_ok=True)
        _link_or_copy(source, target)
        name = target.relative_to(folder).as_posix()
        described[name] = {"bytes": target.stat().st_size, "sha256": _hash(target)}
    return described


def _file_names(folder: Path, files: Mapping[str, Mapping[str, Path]]) -> Iterator[tuple[Path, Path]]:
    for milestone, paths in files.items():
        for name, source in paths.items():
            yield folder / "files" / milestone / name, source


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
        _sync_folder(target)


def _remove(folder: Path) -> None:
    """Remove a folder at once, as seen by whoever looks for it by name."""
    removed = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    if folder.exists():
        folder.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(path: Path) -> None:
    """Make a folder's entries, or a file's bytes, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

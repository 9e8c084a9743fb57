"""The checkpoints of one run: begun, sealed when all ranks have written their part, found again, and cleared away."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domainlm.errors import ModelError
from domainlm.files import sync_folder, synced_file
from domainlm.parallel.heartbeat import slow_work
from domainlm.parallel.shards import Shard
from domainlm.parallel.world import World, current_world
from domainlm.train.checkpoints.disk import file_problem, place_files, remove
from domainlm.train.checkpoints.manifest import MANIFEST, Kind, Manifest, merge_pieces, read_manifest
from domainlm.train.checkpoints.reading import Checkpoint
from domainlm.train.checkpoints.together import all_or_none
from domainlm.train.checkpoints.writing import Part, PartWriter, hold

_log = logging.getLogger(__name__)
CHECKPOINTS = "checkpoints"
"""Their folder in that of the run."""
_NAME = re.compile(r"step-(\d+)(-unsettled)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What goes into a checkpoint, as one rank has it.

    Attributes:
        weights: the rank's shards of parameters and buffers.
        optimizer: the rank's shards of the optimizer's tensors, named `PARAMETER|KEY`.
        training: small values of the loop and its engine; the same on every rank.
        milestones: small values of the milestones; rank 0's are taken, as for the two below.
        files: files of the milestones.
        unsettled: metrics of the last step, where its milestones are still to be run.
    """

    weights: Iterable[Shard]
    optimizer: Iterable[Shard]
    training: Mapping[str, Any] = field(default_factory=dict)
    milestones: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    unsettled: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class _Pending:
    """A checkpoint whose parts are being written."""

    final: Path
    temporary: Path
    writer: PartWriter
    manifest: Manifest


class Checkpoints:
    """The checkpoints of one run. Every rank has one, and all call its methods together.

    Args:
        work: the run's folder, the same one for every rank.
        run: says which run this is; a checkpoint of another one is refused.
        num_kept: older ones are removed once so many newer ones are complete,
        num_steps_per_kept: except those of every so many steps.
        in_background: copy the tensors, and return before they are written; else only when they are.
        world: the ranks; those that this process has joined where None.
    """

    def __init__(
        self,
        work: Path,
        run: str,
        num_kept: int,
        *,
        num_steps_per_kept: int | None = None,
        in_background: bool = True,
        world: World | None = None,
    ) -> None:
        self._root = work / CHECKPOINTS
        self._run = run
        self._num_kept, self._num_steps_per_kept = num_kept, num_steps_per_kept
        self._in_background = in_background
        self._world = world or current_world()
        self._pending: _Pending | None = None

    @property
    def is_writing(self) -> bool:
        """Whether this rank's part of a checkpoint is still being written. Asks nobody."""
        return self._pending is not None and self._pending.writer.is_alive()

    @property
    def is_pending(self) -> bool:
        """Whether a checkpoint was begun and not sealed yet: the same on every rank."""
        return self._pending is not None

    def begin(self, step: int, contents: Contents) -> None:
        """Copy the tensors and begin to write them, or write them as they are. The former checkpoint must be sealed.

        Raises:
            OSError: the folder cannot be made. Earlier checkpoints are as they were.
        """
        assert self._pending is None, "seal() comes first"
        final = self._root / f"{checkpoint_name(step)}{'' if contents.unsettled is None else '-unsettled'}"
        temporary = self._root / f".{final.name}.partial"
        placed: list[str] = []

        def prepare() -> None:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            placed.extend(place_files(temporary, contents.files))

        self._on_first(prepare, temporary)
        held: dict[Kind, Any] = {
            "weights": hold(contents.weights, copy=self._in_background),
            "optimizer": hold(contents.optimizer, copy=self._in_background),
        }
        writer = PartWriter(temporary, self._world.rank, held, placed)
        manifest = Manifest(
            step=step,
            run=self._run,
            grid=self._world.grid.degrees,
            training=dict(contents.training),
            milestones={name: dict(state) for name, state in contents.milestones.items()},
            unsettled=None if contents.unsettled is None else dict(contents.unsettled),
        )
        self._pending = _Pending(final, temporary, writer, manifest)
        writer.start()
        if not self._in_background:
            _wait_for(writer)

    def seal(self) -> Checkpoint | None:
        """Wait for all parts, write the manifest, sync, and rename; None where nothing was begun.

        Raises:
            OSError: a rank could not write its part: the disk is full. Earlier checkpoints are as they were.
        """
        pending, self._pending = self._pending, None
        if pending is None:
            return None
        try:
            _wait_for(pending.writer)
            parts = all_or_none(self._world, lambda: pending.writer.result().model_dump(mode="json"))
        except BaseException:
            pending.writer.join()
            self._discard(pending.temporary)
            raise
        complete = pending.manifest.model_copy(update=_described(map(Part.model_validate, parts)))
        self._on_first(lambda: self._finish(pending, complete), pending.temporary)
        return Checkpoint(pending.final, complete)

    def _finish(self, pending: _Pending, complete: Manifest) -> None:
        with synced_file(pending.temporary / MANIFEST) as stream:
            stream.write(complete.as_bytes())
        sync_folder(pending.temporary)
        remove(pending.final)  # only a damaged one can have this name: a run goes on from the last whole one
        pending.temporary.rename(pending.final)
        sync_folder(self._root)
        self._remove_old(pending.final)

    def latest(self) -> Checkpoint | None:
        """The newest whole checkpoint; damaged and unfinished ones are named in a warning and passed over.

        The ranks share the reading: each checks the hashes of some of the files.

        Raises:
            ModelError: the newest whole one belongs to another run.
        """
        self._on_first(self._remove_unfinished, None)
        names: list[str] = self._world.broadcast([folder.name for folder in self._folders()])
        for folder in (self._root / name for name in reversed(names)):
            problem, manifest = self._inspect(folder)
            if manifest is None or problem:
                if self._world.rank == 0:
                    _log.warning("checkpoint %s is passed over: %s", folder, problem)
                continue
            if manifest.run != self._run:
                raise ModelError(
                    "this checkpoint belongs to another run",
                    where=folder,
                    remedy="remove the folder, or train into another one",
                )
            return Checkpoint(folder, manifest)
        return None

    def _inspect(self, folder: Path) -> tuple[str, Manifest | None]:
        problem, manifest = read_manifest(folder)
        if manifest is not None and not problem:
            mine = sorted(manifest.files.items())[self._world.rank :: self._world.size]
            problem = next((found for name, facts in mine if (found := file_problem(folder / name, facts))), "")
        return next((found for found in self._world.gather(problem) if found), ""), manifest

    def _folders(self) -> list[Path]:
        return [] if not self._root.is_dir() else checkpoint_folders(self._root)

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
            if not is_kept(folder, self._num_steps_per_kept):
                remove(folder)

    def _on_first(self, work: Callable[[], None], temporary: Path | None) -> None:
        """Do something on rank 0 while the others wait; what goes wrong there goes wrong everywhere."""
        try:
            all_or_none(self._world, work if self._world.rank == 0 else lambda: None)
        except BaseException:
            if temporary is not None:
                self._discard(temporary)
            raise

    def _discard(self, temporary: Path) -> None:
        if self._world.rank == 0:
            shutil.rmtree(temporary, ignore_errors=True)


def checkpoint_folders(root: Path) -> list[Path]:
    """All that have a checkpoint's name, oldest first; a settled one comes after the unsettled one of its step."""
    named = [(match, folder) for folder in root.iterdir() if (match := _NAME.fullmatch(folder.name))]
    return [folder for _, folder in sorted(named, key=lambda each: (int(each[0][1]), each[0][2] is None))]


def _wait_for(writer: PartWriter) -> None:
    """A slow disk is no hanging rank."""
    if writer.is_alive():
        with slow_work():
            writer.join()


def is_kept(folder: Path, num_steps_per_kept: int | None) -> bool:
    """Whether a checkpoint is one of every nth, which are not removed."""
    match = _NAME.fullmatch(folder.name)
    return bool(num_steps_per_kept and match and not match[2] and int(match[1]) % num_steps_per_kept == 0)


def remove_checkpoints(work: Path, num_steps_per_kept: int | None = None, *, last_step: int | None = None) -> None:
    """Remove the checkpoints of a run that is done, except those of every so many steps.

    Without exceptions it is all of them or none, wherever this is interrupted.

    Args:
        work: the run's folder.
        num_steps_per_kept: keep those of every so many steps,
        last_step: and that of this step, from which another run is to go on.
    """
    root = work / CHECKPOINTS
    if (num_steps_per_kept is None and last_step is None) or not root.is_dir():
        remove(root)
        return
    last = None if last_step is None else checkpoint_name(last_step)
    for folder in list(root.iterdir()):
        if folder.name != last and not is_kept(folder, num_steps_per_kept):
            remove(folder)


def checkpoint_name(step: int) -> str:
    """What the folder of a checkpoint after so many steps is called."""
    return f"step-{step:08}"


def _described(parts: Iterable[Part]) -> dict[str, Any]:
    """Fields of the manifest that say what the ranks wrote."""
    gathered = list(parts)
    files = {name: facts for part in gathered for name, facts in part.files.items()}
    kinds: tuple[Kind, ...] = ("weights", "optimizer")
    tensors: dict[str, Any] = {kind: merge_pieces([part.tensors.get(kind, {}) for part in gathered]) for kind in kinds}
    return {**tensors, "files": dict(sorted(files.items()))}

"""Content-addressed artifacts: a folder for each stage, named by the hash of what decides its bytes.

```
STORE/KIND/KEY/             finished: the stage's files and manifest.json, which is written last
STORE/KIND/KEY.partial/     in work, or left by a run that was stopped; the next run goes on from it
STORE/KIND/KEY.damaged-N/   was finished, but its files were not what its manifest says
STORE/KIND/KEY.lock         held while somebody works on it
```
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from domainlm.cancellation import uncancellable
from domainlm.errors import StorageError, storage_error
from domainlm.files import UNFINISHED, read_json, sha256_of, sync_folder, write_json

_log = logging.getLogger(__name__)
_MANIFEST = "manifest.json"
BEGUN = "begun.json"
"""In a work folder: what is begun there (`domainlm.study.begun`)."""
_KEY_CHARACTERS = 24


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished stage.

    Attributes:
        folder: its files.
        manifest: identity, inputs, facts, problems and the size and hash of every file.
    """

    folder: Path
    manifest: Mapping[str, Any]


class Store:
    """The artifacts below one folder. Several runs, also at the same time, may share it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the folder and check that it can be written; raises `StorageError`."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink()
        except (FileExistsError, NotADirectoryError) as error:
            files = (path for path in (self.root, *self.root.parents) if path.is_file())
            raise StorageError(
                "is a file, not a folder", where=next(files, error.filename), remedy="choose another folder"
            ) from None
        except OSError as error:
            raise storage_error(error, self.root) or error from error

    def folder(self, kind: str, key: str) -> Path:
        """Where the finished artifact stands or will stand."""
        return self.root / kind / key[:_KEY_CHARACTERS]

    def find(self, kind: str, key: str) -> Artifact | None:
        """The finished artifact, or None, also where its files are not what its manifest says.

        Nothing is moved, since others may be reading or making it: `work` sets a damaged one aside.
        """
        folder = self.folder(kind, key)
        if not folder.is_dir():
            return None
        problem, manifest = _inspect(folder, key)
        return Artifact(folder, manifest) if problem is None else None

    def look_again(self, kind: str) -> None:
        """List the folder of a kind: a network file system then asks its server what other nodes have made there."""
        with suppress(OSError), os.scandir(self.root / kind) as entries:
            next(entries, None)

    @contextmanager
    def work(self, kind: str, key: str) -> Iterator[Path | None]:
        """Hold the artifact's lock and give its work folder, kept from a stopped run; None where it is finished.

        Waits, and says so, while another run works on the same artifact. A damaged one is set aside and named.
        """
        folder = self.folder(kind, key)
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{folder}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.warning("waiting: another run is making %s", folder)
            lock.acquire()
        try:
            problem, _ = _inspect(folder, key) if folder.is_dir() else ("it is not there", {})
            if problem is None:
                yield None
            else:
                if folder.is_dir():
                    _set_aside(folder, problem)
                partial = folder.with_name(f"{folder.name}.partial")
                partial.mkdir(exist_ok=True)
                yield partial
        finally:
            lock.release()

    def finish(self, partial: Path, manifest: Mapping[str, Any]) -> Artifact:
        """Seal a work folder: hash its files, write the manifest last, rename. The caller holds the lock.

        Files that were being written when an earlier attempt was killed are no part of it.
        """
        for left in [path for path in partial.rglob(UNFINISHED) if path.is_file()]:
            left.unlink()
        (partial / BEGUN).unlink(missing_ok=True)
        with uncancellable():  # a stage that is done is kept
            complete = {**manifest, "files": _describe_files(partial)}
        write_json(partial / _MANIFEST, complete)
        folder = partial.with_name(partial.name.removesuffix(".partial"))
        sync_folder(partial)
        partial.rename(folder)
        sync_folder(folder.parent)
        return Artifact(folder, complete)


def _inspect(folder: Path, key: str) -> tuple[str | None, Mapping[str, Any]]:
    """What is wrong with an artifact (None: nothing), and its manifest. Sizes are checked, not every byte."""
    try:
        manifest = read_json(folder / _MANIFEST)
    except (OSError, ValueError):
        return "its manifest is missing or damaged", {}
    if not isinstance(manifest, dict) or manifest.get("key") != key:
        return "its manifest belongs to another artifact", {}
    for name, facts in manifest["files"].items():
        try:
            status = (folder / name).stat()
        except OSError:
            return f"{name} is missing", {}
        if status.st_size != facts["bytes"]:
            return f"{name} has {status.st_size} bytes instead of {facts['bytes']}", {}
    return None, manifest


def _set_aside(folder: Path, problem: str) -> None:
    """Give a damaged artifact the next free number; nothing is deleted. The caller holds the lock."""
    names = (folder.with_name(f"{folder.name}.damaged-{number}") for number in count(1))
    aside = next(name for name in names if not name.exists())
    _log.warning("%s: %s; it is set aside as %s and made again", folder, problem, aside.name)
    folder.rename(aside)


def _describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _MANIFEST)
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in files
    }

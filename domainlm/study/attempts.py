"""How attempts at a stage ended, as notes beside its artifact in the store.

What an attempt failed with stays until another does better; which observers failed, until the run takes it up.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from domainlm.errors import StorageError, UserError, storage_error
from domainlm.files import read_json, write_json
from domainlm.plugin.observers import ObserverFailure
from domainlm.study.stage import Stage
from domainlm.study.store import Store


def note_failure(store: Store, stage: Stage, message: str) -> None:
    """Leave a note beside the stage's artifact."""
    write_json(_path(store, stage), {"key": stage.key, "label": stage.label, "error": message})


def forget_failure(store: Store, stage: Stage) -> None:
    """Take the note away: the stage is tried again."""
    _path(store, stage).unlink(missing_ok=True)


def failure_of(store: Store, stage: Stage) -> str | None:
    """What the last attempt failed with; None where it did not."""
    try:
        return str(read_json(_path(store, stage))["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def note_observers(store: Store, stage: Stage, failures: Sequence[ObserverFailure]) -> None:
    """Leave a note of the observers that failed in this process, for the process of the run; none where none did."""
    if failures:
        write_json(_observers_path(store, stage), [asdict(failure) for failure in failures])


def take_observers(store: Store, stage: Stage) -> list[ObserverFailure]:
    """The observers that failed in the stage's worker; the note is taken away."""
    path = _observers_path(store, stage)
    try:
        return [ObserverFailure(**entry) for entry in read_json(path)]
    except (OSError, ValueError, TypeError):
        return []
    finally:
        path.unlink(missing_ok=True)


def is_being_made(store: Store, stage: Stage) -> bool:
    """Whether a process holds the lock of the stage's artifact."""
    return is_locked(_folder(store, stage).with_suffix(".lock"))


def is_locked(lock: Path) -> bool:
    """Whether a process holds the lock of an artifact."""
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def has_begun(store: Store, stage: Stage) -> bool:
    """Whether a stopped attempt has left something to go on from."""
    return _folder(store, stage).with_suffix(".partial").is_dir()


def message_of(error: Exception) -> str:
    """What reports say of an error."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def is_of_the_machine(error: Exception) -> bool:
    """Whether the error would meet every stage alike, as a full disk does: then there is no use in going on."""
    if isinstance(error, StorageError):
        return True
    return isinstance(error, OSError) and storage_error(error) is not None


def _folder(store: Store, stage: Stage) -> Path:
    return store.folder(stage.kind, stage.key)


def _path(store: Store, stage: Stage) -> Path:
    return _folder(store, stage).with_suffix(".failed.json")


def _observers_path(store: Store, stage: Stage) -> Path:
    return _folder(store, stage).with_suffix(".observers.json")

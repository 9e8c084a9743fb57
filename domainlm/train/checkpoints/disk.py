"""Files and folders of checkpoints: described, put into place, and removed at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from domainlm.files import sha256_of, sync_file
from domainlm.train.checkpoints.manifest import StoredFile


def describe_file(path: Path) -> StoredFile:
    """Size and hash of a file."""
    return StoredFile(bytes=path.stat().st_size, sha256=sha256_of(path))


def file_problem(path: Path, facts: StoredFile) -> str:
    """What is wrong with a file ("" for nothing). Every byte is read."""
    try:
        num_bytes = path.stat().st_size
        if num_bytes != facts.bytes:
            return f"{path.name} has {num_bytes:,} bytes, not the {facts.bytes:,} that were written"
        is_good = sha256_of(path) == facts.sha256
    except FileNotFoundError:
        return f"{path.name} is missing"
    except OSError as error:
        return f"{path.name} cannot be read: {error.strerror}"
    return "" if is_good else f"{path.name} is damaged: its bytes are not those that were written"


def place_files(folder: Path, files: Mapping[str, Mapping[str, Path]]) -> list[str]:
    """Put the milestones' files into a checkpoint; returns their paths in it."""
    names = []
    for target, source in _targets(folder, files):
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(source, target)
        names.append(target.relative_to(folder).as_posix())
    return names


def _targets(folder: Path, files: Mapping[str, Mapping[str, Path]]) -> Iterator[tuple[Path, Path]]:
    for milestone, paths in files.items():
        for name, source in paths.items():
            yield folder / "files" / milestone / name, source


def link_or_copy(source: Path, target: Path) -> None:
    """Milestones replace their files and never change them in place, so a second name for the same bytes will do."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        sync_file(target)


def remove(folder: Path) -> None:
    """Remove a folder at once, as seen by whoever looks for it by name."""
    removed = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    if folder.exists():
        folder.rename(removed)
        shutil.rmtree(removed, ignore_errors=True)

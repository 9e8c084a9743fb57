"""Small file helpers of the study: atomic JSON, hashes that are remembered."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any


def write_atomically(path: Path, data: bytes) -> None:
    """Write a whole file or nothing: to a temporary neighbour, synced, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: object) -> None:
    """Write JSON atomically, readable and with the same bytes for the same content."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode())


def read_json(path: Path) -> Any:  # noqa: ANN401 -- JSON is whatever its writer put there
    """Read a JSON file; raises OSError or ValueError as the standard library does."""
    return json.loads(path.read_bytes().decode("utf-8"))


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some file systems refuse to sync a folder
    finally:
        os.close(descriptor)


class FileHashes:
    """Hashes of input files, remembered by path, size and time of change so that large corpora are read once."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._known: dict[str, str] = {}
        if cache is not None:
            try:
                content = read_json(cache)
            except (OSError, ValueError):
                content = {}
            if isinstance(content, dict):
                self._known = {str(key): str(value) for key, value in content.items()}

    def of(self, path: Path) -> str:
        """The sha256 of `path`'s bytes, in hexadecimal."""
        facts = path.stat()
        stamp = f"{path.absolute()}|{facts.st_size}|{facts.st_mtime_ns}"
        if stamp not in self._known:
            self._known[stamp] = sha256_of(path)
            if self._cache is not None:
                write_json(self._cache, dict(sorted(self._known.items())))
        return self._known[stamp]

"""Hashes of input files that are remembered."""

from __future__ import annotations

from pathlib import Path

from domainlm.files import read_json, sha256_of, write_json


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

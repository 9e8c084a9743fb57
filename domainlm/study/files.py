"""Hashes of input files that are remembered."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from filelock import FileLock

from domainlm.files import read_json, sha256_of, write_json

_log = logging.getLogger(__name__)
_SECONDS_PER_SAVE = 30.0
_SECONDS_FELT = 5.0


class FileHashes:
    """Hashes of input files, remembered by path, size and time of change so that large corpora are read once.

    Args:
        cache: the file that remembers them, which processes may share; none where its folder is not there.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._known = {} if cache is None else _read(cache)
        self._has_news = False
        self._saved = time.monotonic()
        self._seconds = 0.0

    @property
    def took_long(self) -> bool:
        """Whether reading the files anew would be felt."""
        return self._seconds > _SECONDS_FELT

    def of(self, path: Path) -> str:
        """The sha256 of `path`'s bytes, in hexadecimal."""
        facts = path.stat()
        stamp = f"{path.absolute()}|{facts.st_size}|{facts.st_mtime_ns}"
        if stamp not in self._known:
            began = time.monotonic()
            self._known[stamp] = sha256_of(path)
            self._seconds += time.monotonic() - began
            self._has_news = True
            if time.monotonic() - self._saved >= _SECONDS_PER_SAVE:
                self.save()
        return self._known[stamp]

    def save(self) -> None:
        """Write what is new, if its folder is there, and keep what other processes have written meanwhile.

        Call it when all files are read; in between that is done now and then.
        """
        self._saved = time.monotonic()
        if self._cache is None or not self._has_news or not self._cache.parent.is_dir():
            return
        try:
            try:
                with FileLock(f"{self._cache}.lock"):
                    self._merge(self._cache)
            except PermissionError:  # the lock of another user, in a folder that may be this one's to write to
                self._merge(self._cache)
        except PermissionError as error:  # another's store: looking into it needs no right to write
            _log.debug("hashes of input files are not remembered: %s", error)
        else:
            self._has_news = False

    def _merge(self, cache: Path) -> None:
        self._known = _read(cache) | self._known
        write_json(cache, dict(sorted(self._known.items())))


def _read(cache: Path) -> dict[str, str]:
    try:
        content = read_json(cache)
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}

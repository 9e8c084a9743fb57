"""Output of commands: to a file, whole or absent, or to standard output."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from domainlm.errors import StorageError, place_error, storage_error
from domainlm.files import synced_file

STANDARD_STREAM = "-"


def check_output(target: str | Path, source: str | Path = STANDARD_STREAM) -> None:
    """See that a file can be written under this name, before anything is computed for it.

    Args:
        target: a file, or "-" for standard output.
        source: what is read, "-" for standard input.

    Raises:
        StorageError: it is a folder or what is read, or nothing can be written where it is to lie.
    """
    if str(target) == STANDARD_STREAM:
        return
    path = Path(target)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if _is_device(path):
            return
        if str(source) != STANDARD_STREAM and Path(source).exists() and path.exists() and path.samefile(source):
            raise StorageError("is the input, and would be replaced", where=path, remedy="name another file")
        probe = _unfinished(path)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise storage_error(error, path) or place_error(error, path) or error from error


@contextmanager
def open_output(target: str, *, flushes: bool = False) -> Iterator[Callable[[str], object]]:
    """Give a function that writes text; a file appears under its name when all is written, or not at all.

    Args:
        target: a file, or "-" for standard output.
        flushes: hand on each piece at once.

    Raises:
        StorageError: as `check_output`; or the file cannot take its name when all is written, and where it lies then.
    """
    if target == STANDARD_STREAM:
        yield lambda text: print(text, end="", flush=flushes, file=sys.stdout)
        return
    check_output(target)
    path = Path(target)
    if _is_device(path):
        with path.open("w", encoding="utf-8") as stream:
            yield lambda text: print(text, end="", flush=flushes, file=stream)
        return
    unfinished = _unfinished(path)
    with synced_file(unfinished) as binary:
        yield lambda text: binary.write(text.encode())
    try:
        unfinished.replace(path)
    except OSError as error:
        raise StorageError(
            "the finished file cannot take this name",
            where=path,
            given=error.strerror,
            remedy=f"move it yourself: it lies whole in {unfinished}",
        ) from error


def _is_device(path: Path) -> bool:
    """Whether it is something to write into, not a file to replace: /dev/null, a named pipe."""
    return path.exists() and not path.is_file()


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")

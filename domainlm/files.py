"""Files that are whole or absent, durable where the system can make them so: the one way in which all are written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from domainlm.cancellation import check_cancelled

UNFINISHED = ".*.partial"
"""Names of files that are being written, or were when their process was killed: for `Path.glob`."""
_BUFFER_BYTES = 2**20
_CANNOT_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EACCES, errno.EPERM)
"""How systems say that they do not sync folders; any other error is of the disk."""


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Write `path` under a temporary name beside it; it gets its own name once everything is on disk.

    When the body raises, the temporary file is removed and what stood at `path` before is left alone. One process
    writes `path` at a time: the temporary name is always the same, so that nothing is left of a run that was killed
    once another has written the file.
    """
    with _renamed(path.with_name(f".{path.name}.partial"), path) as stream:
        yield stream


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file, whole or not at all; its folder is made where it is not there.

    Several processes may do so at a time: one of them is the last, and its bytes stay.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _renamed(path.with_name(f".{path.name}.{os.getpid()}.partial"), path) as stream:
        stream.write(data)


def write_json(path: Path, content: object) -> None:
    """`write_whole` of JSON: readable, and with the same bytes for the same content."""
    write_whole(path, f"{json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)}\n".encode())


def write_json_lines(path: Path, records: Iterable[object]) -> None:
    """`whole_file` of one JSON value a line."""
    with whole_file(path) as stream:
        for record in records:
            stream.write(f"{json.dumps(record, ensure_ascii=False, allow_nan=False)}\n".encode())


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON is whatever its writer put there
    """Read a JSON file; raises OSError or ValueError as the standard library does."""
    return json.loads(path.read_bytes().decode("utf-8"))


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes, in hexadecimal."""
    digest, buffer = hashlib.sha256(), bytearray(_BUFFER_BYTES)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as stream:
        while num_read := stream.readinto(buffer):
            digest.update(view[:num_read])
            check_cancelled()
    return digest.hexdigest()


@contextmanager
def synced_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file whose bytes are on disk at the end; it is removed when the body raises."""
    try:
        with path.open("wb", buffering=_BUFFER_BYTES) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def sync_file(path: Path) -> None:
    """Make a file's bytes durable; raises OSError where they cannot be written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable, where the system can: some network file systems refuse to sync a folder."""
    try:
        sync_file(folder)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


@contextmanager
def _renamed(partial: Path, path: Path) -> Iterator[BinaryIO]:
    with synced_file(partial) as stream:
        yield stream
    try:
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise

"""Bytes of a plain or gzipped file, piece by piece, and how a file that turns out damaged is reported."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from domainlm.api import DataError, ProblemLog

_GZIP_MAGIC = b"\x1f\x8b"
_PIECE = 1 << 16


class DamagedFileError(Exception):
    """A file that breaks off or fails its checks; the message says after how many bytes of content."""


def read_pieces(path: Path) -> Iterator[bytes]:
    """Yield the content of `path`, decompressed where it starts as gzip does.

    Raises:
        DataError: missing, a folder, or empty.
        DamagedFileError: the compressed data is truncated or damaged; what could be read was yielded before.
    """
    with _open(path) as file:
        is_gzip = file.peek(2)[:2] == _GZIP_MAGIC  # type: ignore[attr-defined]  # io.BufferedReader has it
        yield from _pieces(gzip.GzipFile(fileobj=file) if is_gzip else file, path)


def report_break(problems: ProblemLog, kind: str, detail: str, *, where: Path | str, line: int | None = None) -> None:
    """Count that the rest of a file is lost, or refuse the file: as `problems.skip_bad_input` says.

    Raises:
        DataError: damaged input is not to be skipped.
    """
    if problems.skip_bad_input:
        problems.add(f"{kind} (the rest of the file is lost)", detail, path=where, line=line)
        return
    raise DataError(
        kind,
        where=where if line is None else f"{where}:{line}",
        given=detail,
        remedy='get the file again, or keep what comes before with corpus.on_bad_input = "skip"',
    )


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise DataError("no such file", where=path, remedy="check the path") from None
    except IsADirectoryError:
        raise DataError("is a folder, not a file", where=path, remedy="name a file in it") from None


def _pieces(file: BinaryIO | gzip.GzipFile, path: Path) -> Iterator[bytes]:
    num_bytes = 0
    while True:
        try:
            # read1: one step at a time, so that what was decompressed before a break is not lost with it
            piece = file.read1(_PIECE) if isinstance(file, gzip.GzipFile) else file.read(_PIECE)
        except EOFError:
            raise DamagedFileError(f"the compressed data ends too early, after {num_bytes:,} bytes of text") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DamagedFileError(f"damaged compressed data after {num_bytes:,} bytes of text ({error})") from None
        if not piece:
            break
        num_bytes += len(piece)
        yield piece
    if num_bytes == 0:
        raise DataError("the file is empty", where=path, remedy="get it again, or leave it out")

"""Reading the lines of input files, with one clear error for every way in which a file can be bad."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from domainlm.api import ProblemLog
from domainlm.cancellation import check_cancelled
from domainlm.errors import DataError
from domainlm.text.not_text import is_utf16, kind_of_file
from domainlm.text.paths import missing_file

_LINES_BETWEEN_LOOKS = 1024
MAX_LINE_BYTES = 32 * 2**20
"""Longest line that is read, in bytes: a longer one means that the file is not text in lines."""

MAX_FILE_BYTES = 2**30
"""Longest file that is read whole, in bytes, unpacked."""

NOT_UTF8 = "not UTF-8"
"""How the error begins that a line in another encoding raises."""

_SHOWN_BYTES = 4
_FROM_UTF16 = "convert it, for example with iconv -f UTF-16LE -t UTF-8 (or -f UTF-16BE)"
_BUFFER_BYTES = 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP_MARK = b"\x1f\x8b"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def open_text(path: Path, problems: ProblemLog | None = None) -> Iterator[str]:
    """Stream the lines of a UTF-8 file, unpacking it where its name ends in `.gz`.

    A byte-order mark at the start and the line ends (LF, CR LF) are taken off. Memory does not grow with the file.

    Args:
        path: the file.
        problems: where this is given and says `skip_bad_input`, a line that cannot be read is left out and counted
            here, and so is a file that is not text, and the rest of a `.gz` from where it is damaged or cut short.

    Raises:
        DataError: at once where `path` is missing or a folder; while reading where it may not be read, is empty,
            is an archive or another file that is not text, is a truncated or damaged `.gz`, holds bytes that are not
            UTF-8 (with line and byte) or a line longer than `MAX_LINE_BYTES`.
    """
    _check_is_file(path)
    return _lines(path, problems)


def read_text(path: Path) -> str:
    """Read a whole UTF-8 file, unpacking it where its name ends in `.gz`; a byte-order mark is taken off.

    Raises:
        DataError: as `open_text` raises it, and where the file holds more than `MAX_FILE_BYTES`.
    """
    _check_is_file(path)
    with _open_bytes(path) as stream, _gzip_errors(path):
        content = _unpacked(path, stream).read(MAX_FILE_BYTES + 1)
    if not content:
        raise DataError("is empty", where=path)
    if len(content) > MAX_FILE_BYTES:
        raise DataError("the file is too large", where=path, allowed=f"at most {MAX_FILE_BYTES:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        first = 0
        for number, line in enumerate(content.splitlines(keepends=True), 1):
            _decode(path, line, number, first)  # raises for the line that is to blame
            first += len(line)
        raise


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise DataError("is a folder, not a file", where=path, remedy="name a file in it")
    if path.exists() and not path.is_file():
        raise DataError("is a pipe or a device, not a file", where=path, remedy="write its content to a file first")
    if not path.is_file():
        raise missing_file(path, path)


def _lines(path: Path, problems: ProblemLog | None) -> Iterator[str]:
    offset = 0
    number = 0
    with _open_bytes(path) as stream:
        lines = _unpacked(path, stream)
        while True:
            try:
                line = _read_line(path, lines, number)
            except DataError as error:
                _skip(error, problems, path, number + 1)
                return
            if not line:
                break
            number += 1
            if number == 1 and (found := kind_of_file(line)) is not None:
                _skip(DataError("is not text", where=path, given=found[0], remedy=found[1]), problems, path, number)
                return
            if not number % _LINES_BETWEEN_LOOKS:
                check_cancelled()
            length = len(line)
            try:
                _check_length(path, line, number)
                text = _decode(path, line, number, offset)
            except DataError as error:
                _skip(error, problems, path, number)
                length += _pass_over(lines, line)
            else:
                yield text
            offset += length
    if number == 0:
        raise DataError("is empty", where=path)


def _skip(error: DataError, problems: ProblemLog | None, path: Path, line: int) -> None:
    """Count what is left out, or refuse it."""
    if problems is None or not problems.skip_bad_input:
        raise error
    kind, _, place = error.problem.partition(" at ")
    detail = " ".join(part for part in (place, str(error.given or "")) if part) or error.problem
    problems.add(f"{kind} (left out)", detail, path=path, line=line)


def _pass_over(stream: BinaryIO, line: bytes) -> int:
    """Read to the end of an overlong line; returns the number of bytes."""
    num_bytes = 0
    with suppress(EOFError, gzip.BadGzipFile, zlib.error):  # the next line is refused for the same reason
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)
            num_bytes += len(line)
    return num_bytes


def _open_bytes(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=_BUFFER_BYTES)
    except PermissionError as error:
        raise DataError("may not be read", where=path, remedy="change its permissions") from error


def _unpacked(path: Path, stream: BinaryIO) -> BinaryIO:
    if path.suffix.lower() != ".gz":
        return stream
    return cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb"))


def _read_line(path: Path, stream: BinaryIO, number: int) -> bytes:
    with _gzip_errors(f"{path}:{number + 1}"):
        return stream.readline(MAX_LINE_BYTES + 1)


@contextmanager
def _gzip_errors(where: str | Path) -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise DataError("the gzip file is cut short", where=where, remedy="fetch it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            "the gzip file is damaged, or not a gzip file",
            where=where,
            given=str(error),
            remedy="fetch it again, or take .gz off its name if it is plain text",
        ) from error


def _check_length(path: Path, line: bytes, number: int) -> None:
    if len(line) > MAX_LINE_BYTES:
        raise DataError(
            "the line is too long",
            where=f"{path}:{number}",
            allowed=f"at most {MAX_LINE_BYTES:,} bytes a line",
            remedy="is this the right file? Text is expected one paragraph a line",
        )


def _decode(path: Path, line: bytes, number: int, offset: int) -> str:
    if number == 1:
        offset += len(_BYTE_ORDER_MARK) if line.startswith(_BYTE_ORDER_MARK) else 0
        line = line.removeprefix(_BYTE_ORDER_MARK)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{NOT_UTF8} at byte {offset + error.start:,} (counted from 0)",
            where=f"{path}:{number}",
            given=line[error.start : error.start + _SHOWN_BYTES].hex(" "),
            remedy=_encoding_remedy(line, number),
        ) from error
    if is_utf16(line):
        raise DataError(
            f"{NOT_UTF8}, but UTF-16 without a byte-order mark",
            where=f"{path}:{number}",
            given=line[:_SHOWN_BYTES].hex(" "),
            remedy=_FROM_UTF16,
        )
    return text.rstrip("\r\n")


def _encoding_remedy(line: bytes, number: int) -> str:
    if number == 1 and line.startswith(_GZIP_MARK):
        return "this is a gzip file: give it a name that ends in .gz"
    if number == 1 and line.startswith(_UTF16_MARKS):
        return "this is UTF-16: convert it, for example with iconv -f UTF-16 -t UTF-8"
    if is_utf16(line):
        return _FROM_UTF16
    return "convert it to UTF-8, for example with iconv -f WINDOWS-1252 -t UTF-8"

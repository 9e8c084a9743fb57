"""What a file is that is no text in UTF-8, told by its bytes."""

from __future__ import annotations

import re

_UNPACK = "unpack it; text packed by gzip alone is read as it is"
_KINDS = (
    (re.compile(rb"PK\x03\x04"), "a zip archive or an office document", "unpack it, or save its text"),
    (re.compile(rb"BZh[1-9]1AY&SY"), "a bzip2 file", _UNPACK),
    (re.compile(rb"\xfd7zXZ\x00"), "an xz file", _UNPACK),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "a zstd file", _UNPACK),
    (re.compile(rb".{257}ustar", re.DOTALL), "a tar archive", "unpack it, and give the files in it"),
    (re.compile(rb"PAR1\x15"), "a Parquet file", "write its texts as JSON lines, for core/jsonl"),
    (re.compile(rb"%PDF-\d"), "a PDF", "extract its text, for example with pdftotext"),
)
_LEAST_BYTES = 8
_MOST_NUL = 0.5


def kind_of_file(start: bytes) -> tuple[str, str] | None:
    """What a file is that begins so, and what to do with it; None where it may be text."""
    return next(((kind, remedy) for mark, kind, remedy in _KINDS if mark.match(start)), None)


def is_utf16(line: bytes) -> bool:
    """Whether a line is Latin letters in UTF-16: NUL is one byte of most pairs, always the same one.

    Without a byte-order mark such a line is valid UTF-8, too.
    """
    if len(line) < _LEAST_BYTES or b"\0" not in line:
        return False
    fewer, more = sorted(half.count(0) / len(half) for half in (line[0::2], line[1::2]))
    return fewer == 0.0 and more > _MOST_NUL

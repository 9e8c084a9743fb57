"""The first bytes of a file, in NAME.part, and whether more may be added to them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from domainlm.errors import StorageError
from domainlm.fetch.faults import Fault
from domainlm.fetch.journal import Entry

_CONTENT_RANGE = re.compile(r"bytes (?:(?P<first>\d+)-(?P<last>\d+)|\*)/(?P<total>\d+|\*)")
_WEAK = "W/"


@dataclass(frozen=True, slots=True)
class Range:
    """A Content-Range header (RFC 9110, 14.4): the first byte sent, and the whole file's size; None where not said."""

    first: int | None
    total: int | None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Range:
        """Read the header; nothing is said where it is missing or unreadable."""
        match = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
        if match is None:
            return cls(None, None)
        total = match["total"]
        return cls(None if match["first"] is None else int(match["first"]), None if total == "*" else int(total))


def part_path(path: Path) -> Path:
    """Where the first bytes of a file are kept."""
    return path.with_name(f"{path.name}.part")


def num_bytes(path: Path) -> int:
    """Bytes that are there of a file; 0 without one."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def range_headers(offset: int, entry: Entry) -> dict[str, str]:
    """Ask for the rest of a file, provided that it is still the same one.

    `If-Range` takes a strong entity tag or a date (RFC 9110, 13.1.5). With neither, only the size is compared.
    """
    headers = {"Range": f"bytes={offset}-"}
    validator = entry.etag if entry.etag and not entry.etag.startswith(_WEAK) else entry.last_modified
    if validator:
        headers["If-Range"] = validator
    return headers


def continues(headers: Mapping[str, str], offset: int, entry: Entry) -> bool:
    """Whether a partial answer (206) fits to the bytes that are here. Not every server heeds If-Range."""
    sent = Range.of(headers)
    if sent.first != offset:
        return False
    if entry.size is not None and sent.total is not None and sent.total != entry.size:
        return False
    validators = ((headers.get("etag"), entry.etag), (headers.get("last-modified"), entry.last_modified))
    return all(now == then for now, then in validators if now and then)


def announced_size(status: int, headers: Mapping[str, str]) -> int | None:
    """The whole file's size, as an answer announces it."""
    if status == 206:
        return Range.of(headers).total
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else None


@contextmanager
def open_part(path: Path, offset: int) -> Iterator[BinaryIO]:
    """Open NAME.part to write from `offset` on; each write goes to the operating system at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if offset else "wb", buffering=0) as stream:
        stream.truncate(offset)
        stream.seek(offset)
        yield stream


def check_room(folder: Path, wanted: int) -> None:
    """Raise `StorageError` where the disk has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise StorageError(
            f"the disk has no room: {wanted:,} bytes are to come, {free:,} are free",
            where=folder,
            remedy="free some space or choose another folder, then run the same command again",
        )


def check_coding(headers: Mapping[str, str], name: str) -> None:
    """Refuse bytes that were compressed on the way although we asked for the plain ones.

    A .gz file that a server calls "coded with gzip" is meant as it is.
    """
    coding = headers.get("content-encoding", "identity").lower()
    if coding not in ("", "identity") and not (coding in ("gzip", "x-gzip") and name.endswith((".gz", ".tgz"))):
        raise Fault(f"the server compresses the file with {coding} on the way, although it was asked not to")

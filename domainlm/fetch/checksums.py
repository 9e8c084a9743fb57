"""Checksums: reading those that a server states, and working out those of a file here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from domainlm.errors import FetchError
from domainlm.fetch.faults import Stopped

_READ_BYTES = 2**20
_TAGGED = re.compile(r"MD5\s*\((?P<name>.+)\)\s*=\s*(?P<digest>[0-9A-Fa-f]{32})")  # BSD's md5 and OpenSSL
_LISTED = re.compile(r"\\?(?P<digest>[0-9A-Fa-f]{32})(?:\s+\*?(?P<name>.+))?")  # GNU's md5sum, or the digits alone


@dataclass(frozen=True, slots=True)
class Checksums:
    """MD5 and SHA-256 of a file, in lower-case hexadecimal digits."""

    md5: str
    sha256: str


def read_md5(content: bytes, name: str, where: str) -> str:
    """The MD5 that a checksum file states for a file.

    Args:
        content: lines `MD5(NAME)= HEX`, `HEX  NAME` or `HEX`.
        name: the file's name, without folders.
        where: address of the checksum file, for the error.

    Raises:
        FetchError: it states none for this file.
    """
    text = content.decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        match = _TAGGED.fullmatch(line) or _LISTED.fullmatch(line)
        if match is not None and (match["name"] is None or match["name"].rsplit("/", 1)[-1] == name):
            return match["digest"].lower()
    raise FetchError(
        f"states no MD5 of {name}",
        where=where,
        given=lines[0][:120] if lines else "an empty file",
        allowed=f"MD5({name})= HEX, or HEX  {name}",
    )


def checksums_of(path: Path, stop: Event) -> Checksums:
    """Read a file once and return its checksums; raises `Stopped` where all is to end."""
    md5 = hashlib.md5(usedforsecurity=False)
    sha256 = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        while block := stream.read(_READ_BYTES):
            md5.update(block)
            sha256.update(block)
            if stop.is_set():
                raise Stopped
    return Checksums(md5.hexdigest(), sha256.hexdigest())


def difference(found: Checksums, *, md5: str, sha256: str) -> str:
    """How a file differs from what is stated of it; empty where it does not. An empty statement states nothing."""
    if sha256 and found.sha256 != sha256:
        return f"its SHA-256 is {found.sha256}, and {sha256} is stated"
    if md5 and found.md5 != md5:
        return f"its MD5 is {found.md5}, and {md5} is stated"
    return ""

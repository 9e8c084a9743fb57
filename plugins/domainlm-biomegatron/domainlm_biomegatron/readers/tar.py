"""The files of a tar archive as it streams by, without unpacking it to disk.

Not `tarfile`: that takes a header of any size into memory and remembers every member it has passed, and an archive of
PMC has a million. Here memory does not grow, whatever the archive says. Read are the formats that archives have in
practice: ustar, GNU (long names) and pax (POSIX.1-2001: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from domainlm_biomegatron.readers.bytes import DamagedFileError

_BLOCK = 512
_MAX_HEADER = 1 << 20
"""Most bytes of a long name or of pax records; real ones have some hundred."""

_KINDS = {
    b"0": "file", b"\0": "file", b"7": "file", b"1": "hard link", b"2": "symbolic link", b"3": "device", b"4": "device",
    b"5": "folder", b"6": "pipe", b"S": "sparse file",
}  # fmt: skip
_GLOBAL_PAX, _PAX, _GNU_NAME, _GNU_LINK = b"g", b"x", b"L", b"K"


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of an archive.

    Attributes:
        name: as the archive has it. Never to be used as a path.
        kind: "file", "folder", "symbolic link", "hard link", "device", "pipe", "sparse file" or "unknown kind".
        size: bytes of content.
        offset: where its header begins, in bytes of the unpacked archive.
    """

    name: str
    kind: str
    size: int
    offset: int

    @property
    def leads_outside(self) -> bool:
        """Whether unpacking it would write outside the folder it is unpacked into."""
        parts = self.name.replace("\\", "/").split("/")
        return ".." in parts or parts[0] == "" or parts[0].endswith(":")


class TarStream:
    """An archive that is read once, front to back: iterate over its members, and read each one or not.

    Args:
        pieces: the bytes of the archive, decompressed.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._ahead = b""
        self._left = 0  # bytes of the current member that are still to come, its padding not counted
        self._padding = 0
        self.offset = 0
        """Bytes of the archive that were read."""
        self.damage: DamagedFileError | None = None
        """Why it cannot be read any further, if it cannot."""

    def __iter__(self) -> Iterator[Member]:
        """Yield the members; the content of one can be read until the next is asked for.

        Raises:
            DamagedFileError: no header where one should be, or the archive ends too early.
        """
        while True:
            self._pass_over()
            start = self.offset
            header, extended = self._next_header()
            if header is None:
                return
            size = _number(extended.get("size"), header[124:136])
            if size is None:
                self._refuse("an unreadable size", start)
            name = extended.get("path") or _ustar_name(header)
            kind = "sparse file" if "GNU.sparse.major" in extended else _KINDS.get(header[156:157], "unknown kind")
            self._expect(size if kind in {"file", "sparse file", "unknown kind"} else 0)
            yield Member(name, kind, self._left, start)

    def content(self) -> Iterator[bytes]:
        """Yield the content of the current member, from where it was left.

        Raises:
            DamagedFileError: the archive ends in it.
        """
        while self._left:
            piece = self._some(self._left)
            self._left -= len(piece)
            yield piece

    def _expect(self, size: int) -> None:
        self._left, self._padding = size, -size % _BLOCK

    def _pass_over(self) -> None:
        for _ in self.content():
            pass
        self._exactly(self._padding)
        self._padding = 0

    def _next_header(self) -> tuple[bytes | None, dict[str, str]]:
        """The header of the next member, None at the end; and what extended headers before it say."""
        extended: dict[str, str] = {}
        while True:
            start = self.offset
            header = self._exactly(_BLOCK)
            if not header.strip(b"\0"):
                return None, {}
            if _checksum(header) != _octal(header[148:156]):
                self._refuse("no header of a member", start)
            kind = header[156:157]
            if kind not in (_GLOBAL_PAX, _PAX, _GNU_NAME, _GNU_LINK):
                return header, extended
            content = self._extended_header(header, start)
            if kind == _PAX:
                extended |= _pax_records(content)
            elif kind == _GNU_NAME:
                extended["path"] = _text(content)

    def _extended_header(self, header: bytes, start: int) -> bytes:
        size = _number(None, header[124:136])
        if size is None or size > _MAX_HEADER:
            self._refuse("a header of more than a megabyte", start)
        content = self._exactly(size)
        self._exactly(-size % _BLOCK)
        return content

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            parts.append(self._some(size))
            size -= len(parts[-1])
        return b"".join(parts)

    def _some(self, size: int) -> bytes:
        """Return at least one byte, and at most so many."""
        while not self._ahead:
            self._ahead = self._next_piece()
        found, self._ahead = self._ahead[:size], self._ahead[size:]
        self.offset += len(found)
        return found

    def _next_piece(self) -> bytes:
        try:
            piece = next(self._pieces, None)
        except DamagedFileError as damage:
            self.damage = damage
            raise
        if piece is None:
            self.damage = DamagedFileError(f"the archive ends too early, after {self.offset:,} bytes of it")
            raise self.damage
        return piece

    def _refuse(self, what: str, offset: int) -> NoReturn:
        self.damage = DamagedFileError(f"{what} at byte {offset:,} of the archive")
        raise self.damage


def is_tar(start: bytes) -> bool:
    """Whether a file that starts with these bytes (512 or more, unpacked) is a tar archive."""
    return len(start) >= _BLOCK and _checksum(start[:_BLOCK]) == _octal(start[148:156])


def _checksum(header: bytes) -> int:
    return sum(header[:148]) + sum(header[156:]) + 8 * ord(" ")


def _octal(field: bytes) -> int | None:
    digits = field.strip(b" \0")
    try:
        return int(digits, 8) if digits.isdigit() else None
    except ValueError:
        return None


def _number(extended: str | None, field: bytes) -> int | None:
    """A size: as a pax record gives it, in octal digits, or as GNU writes one of more than 8 GiB; None otherwise."""
    if extended is not None:
        return int(extended) if extended.isascii() and extended.isdecimal() and len(extended) <= 19 else None
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    return _octal(field)


def _ustar_name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "backslashreplace")


def _pax_records(content: bytes) -> dict[str, str]:
    """The records "LENGTH KEY=VALUE" of a pax header, a line each; what cannot be read ends them."""
    records: dict[str, str] = {}
    while content:
        digits, blank, _ = content.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) <= 7 else 0
        record = content[len(digits) + 1 : length]
        if not blank or length > len(content) or not record.endswith(b"\n"):
            break
        key, _, value = record[:-1].partition(b"=")
        records[_text(key)] = _text(value)
        content = content[length:]
    return records

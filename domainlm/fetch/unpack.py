"""Taking single files out of a fetched archive, and nothing else than what was asked for."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from domainlm.api import ArchiveMember
from domainlm.errors import FetchError, nearest_name
from domainlm.files import whole_file

_BLOCK_BYTES = 2**20
_MAX_RATIO = 1_000
"""No honest file grows more than this when it is unpacked: deflate's own limit is 1,032."""
_CHANGED = "it has changed at its source: use an edition of the plugin that knows the new one"
_TRY_LATER = "run the same command again later: it is fetched anew"
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError)


def unpack(archive: Path, members: tuple[ArchiveMember, ...], folder: Path) -> None:
    """Write the members below `folder`, each whole or not at all; those that are there already are written anew.

    Where there are none to write, `archive` may be any file.

    Raises:
        FetchError: a member is missing, damaged, not the stated one or absurdly large.
    """
    if not members:
        return
    limit = max(archive.stat().st_size, _BLOCK_BYTES) * _MAX_RATIO
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                for member in members:
                    with _zip_member(opened, member, archive) as stream:
                        _write(stream, folder / member.target, member, archive, limit)
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as opened_tar:
                for member in members:
                    with _tar_member(opened_tar, member, archive) as stream:
                        _write(stream, folder / member.target, member, archive, limit)
        else:
            raise FetchError("neither a .zip nor a .tar archive", where=archive, remedy=_TRY_LATER)
    except _BROKEN as error:
        raise FetchError(f"the archive is damaged: {error}", where=archive, remedy=_TRY_LATER) from error


@contextmanager
def _zip_member(opened: zipfile.ZipFile, member: ArchiveMember, archive: Path) -> Iterator[IO[bytes]]:
    names = opened.namelist()
    if member.path not in names:
        raise _missing(member, names, archive)
    with opened.open(member.path) as stream:
        yield stream


@contextmanager
def _tar_member(opened: tarfile.TarFile, member: ArchiveMember, archive: Path) -> Iterator[IO[bytes]]:
    files = {entry.name: entry for entry in opened.getmembers() if entry.isreg()}  # a link could lead anywhere
    if member.path not in files:
        raise _missing(member, list(files), archive)
    stream = opened.extractfile(files[member.path])
    assert stream is not None
    with stream:
        yield stream


def _write(stream: IO[bytes], target: Path, member: ArchiveMember, archive: Path, limit: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as out:
        _check(_copy(stream, out, limit), member, archive, limit)


def _copy(stream: IO[bytes], out: IO[bytes], limit: int) -> str:
    """Copy all bytes and return their SHA-256; empty where there are more than `limit`."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK_BYTES):
        if out.tell() + len(block) > limit:
            return ""
        digest.update(block)
        out.write(block)
    return digest.hexdigest()


def _check(digest: str, member: ArchiveMember, archive: Path, limit: int) -> None:
    if not digest:
        raise FetchError(f"{member.path} grows beyond {limit:,} bytes when it is unpacked", where=archive)
    if member.sha256 and digest != member.sha256:
        raise FetchError(
            f"{member.path} is not the stated file",
            where=archive,
            given=f"SHA-256 {digest}",
            allowed=f"SHA-256 {member.sha256}",
            remedy=_CHANGED,
        )


def _missing(member: ArchiveMember, names: list[str], archive: Path) -> FetchError:
    return FetchError(
        "not in the archive",
        where=archive,
        given=member.path,
        nearest=nearest_name(member.path, names),
        remedy=_CHANGED,
    )

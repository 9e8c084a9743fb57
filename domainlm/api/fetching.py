"""Where the real data of a spec comes from, so that `domainlm corpus fetch` and `domainlm task fetch` can get it.

A plan is data: a licence and one or several sources, or, where the data may not be passed on, what to register for.
The engine that carries it out does the rest: connections, resuming, retries, checksums. A source names its files in
one of three ways: one by one, by a pattern over a folder's listing on the server, or by a callable that finds them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol
from urllib.parse import urlsplit

from domainlm.api.field_checks import check_callable
from domainlm.api.field_names import with_known_fields
from domainlm.errors import SpecError

_SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_HEX_DIGITS = {"md5": 32, "sha256": 64}


class RemoteReader(Protocol):
    """Reads small files of a server, with the retries and limits of all fetching."""

    def read(self, url: str) -> bytes:
        """Return the content of a listing, an index or the like, of at most some megabytes.

        Raises:
            FetchError: it cannot be had.
        """
        ...


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveMember:
    """A file to take out of a fetched archive (.zip, .tar, .tar.gz).

    Attributes:
        path: its place in the archive, with "/" between folders.
        name: its name below the output folder; the last part of `path` where empty.
        sha256: its SHA-256, where it is known.
    """

    path: str
    name: str = ""
    sha256: str = ""

    def __post_init__(self) -> None:
        where = f"ArchiveMember {self.path!r}"
        _check_text(self.path, "path", where)
        _check_relative(self.target, "name", where)
        _check_digest(self.sha256, "sha256", where)

    @property
    def target(self) -> str:
        """Its name below the output folder."""
        return self.name or PurePosixPath(self.path).name


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Says that a file is not wanted after all.

    Attributes:
        reason: a short fixed phrase, the same for every file of its sort: files are counted by it.
    """

    reason: str


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """A small file on the server which says more about a file, or that it is not wanted.

    Attributes:
        url: its address, absolute or relative to the source's `base_url`.
        read: `read(file, content)` returns the file with what was missing, or a `LeftOut`. It is called when the file's
            turn comes, several at once in threads, and not again for files that are there already.
    """

    url: str
    read: Callable[[RemoteFile, bytes], RemoteFile | LeftOut]

    def __post_init__(self) -> None:
        _check_text(self.url, "url", "Details")
        check_callable(self.read, "read", "Details", takes=("file", "content"))


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file to fetch.

    Attributes:
        name: its name below the output folder, "/" between folders.
        urls: addresses, absolute or relative to the source's `base_url`; the next is tried where one fails for good.
        size: its size in bytes, where it is known.
        md5: its MD5 in hexadecimal digits, where it is known. Enough against accidents, not against forgery.
        sha256: its SHA-256 likewise.
        checksum_url: address of a small file that states its MD5, as `MD5(NAME)= HEX`, `HEX  NAME` or bare `HEX`.
        details: a small file that completes this record.
        members: what to take out of it, where it is an archive.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    md5: str = ""
    sha256: str = ""
    checksum_url: str = ""
    details: Details | None = None
    members: tuple[ArchiveMember, ...] = ()

    def __post_init__(self) -> None:
        where = f"RemoteFile {self.name!r}"
        _check_relative(self.name, "name", where)
        if not isinstance(self.urls, tuple) or not self.urls or not all(isinstance(url, str) for url in self.urls):
            raise SpecError("wrong urls", where=where, given=repr(self.urls), allowed="a tuple of at least one address")
        if self.size is not None and (not isinstance(self.size, int) or self.size < 0):
            raise SpecError("wrong size", where=where, given=repr(self.size), allowed="a number of bytes, or None")
        _check_digest(self.md5, "md5", where)
        _check_digest(self.sha256, "sha256", where)


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class FolderListing:
    """The files of a folder whose listing the server gives as HTML, as web servers usually do.

    Attributes:
        pattern: regular expression that a whole file name must match. A group `number` in it is the number by which
            users choose files (the place in the sorted listing where there is none). A group `edition` tells editions
            apart of which only the last is wanted, such as the year in `log24-0001.gz`.
        checksum_suffix: ending of the file that states a file's MD5 and lies beside it, such as ".md5".
    """

    pattern: str
    checksum_suffix: str = ""

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except (re.error, TypeError) as error:
            raise SpecError(f"wrong pattern: {error}", where="FolderListing", given=repr(self.pattern)) from error


FindFiles = Callable[[RemoteReader, str], Iterable[RemoteFile]]
"""`find(reader, base_url)` yields the files in a fixed order; users choose them by their place, counted from 1."""


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSource:
    """A server's folder, or the like, that holds files of a spec.

    Attributes:
        name: what users call it, with --part.
        description: what is in it, in one line.
        base_url: http or https address that relative addresses start from; users may name a mirror instead.
        files: the files; see the module.
        size: how much it is, in words, where it is known.
        max_connections: how many connections the server is asked for at most.
    """

    name: str
    description: str
    base_url: str
    files: tuple[RemoteFile, ...] | FolderListing | FindFiles
    size: str = ""
    max_connections: int = 8

    def __post_init__(self) -> None:
        where = f"FetchSource {self.name!r}"
        if not isinstance(self.name, str) or not _SOURCE_NAME.fullmatch(self.name):
            raise SpecError("wrong name", where=where, allowed="lower-case letters, digits and -")
        _check_text(self.description, "description", where)
        check_base_url(self.base_url, where)
        if not isinstance(self.files, FolderListing) and not callable(self.files):
            _check_files(self.files, where)
        if not isinstance(self.max_connections, int) or self.max_connections < 1:
            raise SpecError("wrong max_connections", where=where, given=self.max_connections, allowed="from 1")


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Data that each user has to ask for.

    Attributes:
        url: where to register.
        instructions: what to download there, and what to put where.
        files: names below the output folder that are there once that is done; glob patterns are allowed.
    """

    url: str
    instructions: str
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_base_url(self.url, "Registration")
        _check_text(self.instructions, "instructions", "Registration")


@with_known_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPlan:
    """How to get the real data of a corpus or task.

    Attributes:
        licence: under which licence or terms the data is given; shown before anything is fetched.
        sources: where the files are; users choose one by its name, the first where they choose none.
        registration: what to register for, where nothing can be fetched without.
    """

    licence: str
    sources: tuple[FetchSource, ...] = ()
    registration: Registration | None = None

    def __post_init__(self) -> None:
        _check_text(self.licence, "licence", "FetchPlan")
        if not isinstance(self.sources, tuple) or not all(isinstance(entry, FetchSource) for entry in self.sources):
            raise SpecError("wrong sources", where="FetchPlan", allowed="a tuple of FetchSource")
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise SpecError("two sources have one name", where="FetchPlan", given=", ".join(names))
        if bool(self.sources) == bool(self.registration):
            raise SpecError("needs either sources or a registration", where="FetchPlan")

    def __str__(self) -> str:
        if self.registration is not None:
            return f"register at {self.registration.url}"
        return ", ".join(f"{source.name} ({source.base_url})" for source in self.sources)


def check_base_url(url: object, where: str) -> None:
    """Raise `SpecError` unless `url` is an http or https address."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:  # such as a bracket that is not closed
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise SpecError("not a web address", where=where, given=url, allowed="http://... or https://...")


def _check_files(files: object, where: str) -> None:
    if not isinstance(files, tuple) or not files or not all(isinstance(entry, RemoteFile) for entry in files):
        raise SpecError(
            "wrong files",
            where=where,
            given=repr(files),
            allowed="a tuple of RemoteFile, a FolderListing, or a callable that finds them",
        )
    names = [entry.name for entry in files]
    if len(set(names)) != len(names):
        raise SpecError("two files have one name", where=where, given=", ".join(names))


def _check_text(value: object, key: str, where: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise SpecError(f"{key} is empty", where=where, given=repr(value))


def _check_relative(name: object, key: str, where: str) -> None:
    """Refuse names that could lead out of the output folder, or into its hidden files, on any system."""
    parts = name.split("/") if isinstance(name, str) else [""]
    if any(not part or part.startswith(".") or re.search(r'[\x00-\x1f\x7f\\:*?"<>|]', part) for part in parts):
        raise SpecError(
            f"wrong {key}",
            where=where,
            given=repr(name),
            allowed='a relative path of plain names, "/" between them, none of them hidden',
        )


def _check_digest(digest: object, kind: str, where: str) -> None:
    if digest == "":
        return
    if not isinstance(digest, str) or not re.fullmatch(rf"[0-9a-f]{{{_HEX_DIGITS[kind]}}}", digest):
        allowed = f"{_HEX_DIGITS[kind]} lower-case hexadecimal digits"
        raise SpecError(f"wrong {kind}", where=where, given=repr(digest), allowed=allowed)

"""What is known of the files of one output folder: kept in it, line by line, so that any break leaves it readable."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Self

from filelock import FileLock, Timeout

from domainlm.errors import FetchError

STATE_FOLDER = ".fetch"
"""Hidden, so that a reader that takes a whole folder passes it over."""
_JOURNAL = "journal.jsonl"
_LOCK = "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of one file.

    Attributes:
        name: its name below the folder.
        state: "begun" (NAME.part holds its first bytes), "done" or "left out".
        url: where it comes from.
        size: its size in bytes: announced while begun, real when done; None where not announced.
        etag: of the server's answer; empty without.
        last_modified: likewise.
        md5: when done.
        sha256: when done.
        reason: why it was left out.
        failed: it could not be had the last time, so that others are tried first.
    """

    name: str
    state: Literal["begun", "done", "left out"]
    url: str = ""
    size: int | None = None
    etag: str = ""
    last_modified: str = ""
    md5: str = ""
    sha256: str = ""
    reason: str = ""
    failed: bool = False


class Journal:
    """Entries by name, the last one written counts. May be used by several threads."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE_FOLDER / _JOURNAL
        self._entries = {entry.name: entry for entry in _read(self._path)}
        self._guard = threading.Lock()
        self._end_last_line()
        self._stream = self._path.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stream.close()

    def get(self, name: str) -> Entry | None:
        """What is known of a file."""
        return self._entries.get(name)

    def write(self, entry: Entry) -> None:
        """Keep what is known now."""
        line = json.dumps({key: value for key, value in asdict(entry).items() if _is_known(value)})
        with self._guard:
            self._entries[entry.name] = entry
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def write_failure(self, name: str) -> None:
        """Keep that a file could not be had, beside what is known of it."""
        known = self.get(name) or Entry(name=name, state="begun")
        if not known.failed:
            self.write(replace(known, failed=True))

    def _end_last_line(self) -> None:
        """After a break in the middle of a line, begin a new one."""
        if self._path.exists() and not self._path.read_bytes().endswith(b"\n"):
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write("\n")


@contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Open the journal of a folder for this process alone; both are made where they are missing.

    Raises:
        FetchError: another process fetches into the folder.
    """
    (folder / STATE_FOLDER).mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / STATE_FOLDER / _LOCK, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise FetchError(
            "another process fetches into this folder", where=folder, remedy="wait for it, or choose another folder"
        ) from None
    try:
        with Journal(folder) as journal:
            yield journal
    finally:
        lock.release()


def _is_known(value: object) -> bool:
    return value is not None and value is not False and value != ""


def _read(path: Path) -> Iterator[Entry]:
    """The entries of a journal; a line cut off by a break is passed over, since its file is looked at anew then."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            try:
                yield Entry(**json.loads(line))
            except (ValueError, TypeError):
                continue

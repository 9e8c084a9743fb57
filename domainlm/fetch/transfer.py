"""Bringing the bytes of one address into NAME.part, over as many attempts as it takes and the policy allows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from domainlm.api import RemoteFile
from domainlm.fetch.client import Answer, Client
from domainlm.fetch.faults import Fault, Stopped, status_fault
from domainlm.fetch.journal import Entry, Journal
from domainlm.fetch.partial import (
    Range,
    announced_size,
    check_coding,
    check_room,
    continues,
    num_bytes,
    open_part,
    range_headers,
)
from domainlm.fetch.policy import Budget

_LOG = logging.getLogger(__name__)
_OK, _PARTIAL, _RANGE_REFUSED = 200, 206, 416


class Meter(Protocol):
    """Told how far one file is, for progress."""

    def reached(self, num_bytes: int, size: int | None, *, new: bool) -> None:
        """So much of the file is here; `new` bytes came just now, others were here before or are dropped."""
        ...


class Transfer:
    """Brings one file from one address.

    Args:
        client: makes the requests.
        journal: keeps what is known of the part.
        file: what is fetched, with all that is stated of it.
        url: its absolute address.
        part: where its bytes go.
        meter: told of each piece.
    """

    def __init__(self, client: Client, journal: Journal, file: RemoteFile, url: str, part: Path, meter: Meter) -> None:
        self._client = client
        self._journal = journal
        self._file = file
        self._url = url
        self._part = part
        self._meter = meter

    def run(self) -> None:
        """Return when NAME.part holds as many bytes as were announced.

        Raises:
            Fault: the last attempt's.
            Stopped: all is to end; what is there stays.
            StorageError: the disk has no room.
        """
        budget = Budget(self._client.policy)
        while True:
            try:
                return self._attempt()
            except Fault as fault:
                delay = budget.delay_after(fault, num_bytes(self._part))
                _LOG.debug("%s: %s; again in %.1f s", self._url, fault.problem, delay)
                self._client.wait(delay)

    def _attempt(self) -> None:
        entry, offset = self._state()
        self._meter.reached(offset, entry.size, new=False)
        if offset and offset == entry.size:
            return
        headers = range_headers(offset, entry) if offset else {}
        with self._client.get(self._url, headers) as answer:
            if answer.status == _RANGE_REFUSED and offset:
                self._nothing_more(answer.headers, offset, entry)
            elif answer.status == _PARTIAL and offset:
                if not continues(answer.headers, offset, entry):
                    self._drop()
                    raise Fault("the file has changed on the server", may_pass=True)
                self._receive(answer, offset, entry)
            elif answer.status == _OK:
                if offset:
                    _LOG.debug("%s: sent anew from the beginning", self._url)
                self._receive(answer, 0, self._begin(answer.headers))
            else:
                raise status_fault(answer.status, answer.headers)

    def _state(self) -> tuple[Entry, int]:
        """What is known of the part, and how many of its bytes can be built upon."""
        entry = self._journal.get(self._file.name)
        if entry is None or entry.url != self._url:
            return Entry(name=self._file.name, state="begun", url=self._url), 0
        offset = num_bytes(self._part)
        if entry.size is not None and offset > entry.size:
            return entry, 0
        if not entry.etag and not entry.last_modified and entry.size is None:
            return entry, 0  # nothing would show whether the rest belongs to it
        return entry, offset

    def _receive(self, answer: Answer, offset: int, entry: Entry) -> None:
        """Write what comes at `offset`; `entry` is what was announced of the whole file."""
        check_coding(answer.headers, self._file.name)
        size = entry.size if entry.size is not None else announced_size(answer.status, answer.headers)
        self._check_size(size)
        with open_part(self._part, offset) as stream:
            if size is not None:
                check_room(self._part.parent, size - offset)
            self._meter.reached(offset, size, new=False)
            try:
                received = self._copy(answer, stream, offset, size)
            except Fault as fault:
                if size is not None:
                    fault.problem += f" after {num_bytes(self._part):,} of {size:,} bytes"
                raise
        for wanted, by in ((size, "announced"), (self._file.size, "stated")):
            if wanted is not None and received != wanted:
                raise Fault(_wrong_length(received, wanted, by), may_pass=received < wanted)
        if size is None and not self._can_be_checked(received) and "transfer-encoding" not in answer.headers:
            _LOG.warning("%s: neither its size nor a checksum is stated: it may be cut short", self._url)

    def _copy(self, answer: Answer, stream: BinaryIO, offset: int, size: int | None) -> int:
        """Write the body; returns how many bytes of the whole file are there then. Ends early where it is too long."""
        position = offset
        limit = self._file.size if size is None else size
        for piece in answer.pieces():
            _write_all(stream, piece)
            position += len(piece)
            self._meter.reached(position, size, new=True)
            if limit is not None and position > limit:
                break
            if self._client.stop.is_set():
                raise Stopped
        return position

    def _begin(self, headers: Mapping[str, str]) -> Entry:
        """Begin anew, and keep what will tell later whether more bytes belong to the same file."""
        # First: were we stopped in between, bytes of an earlier file would pass for those of this one.
        self._part.unlink(missing_ok=True)
        entry = Entry(
            name=self._file.name,
            state="begun",
            url=self._url,
            size=announced_size(_OK, headers),
            etag=headers.get("etag", ""),
            last_modified=headers.get("last-modified", ""),
        )
        if entry != self._journal.get(self._file.name):
            self._journal.write(entry)
        return entry

    def _check_size(self, announced: int | None) -> None:
        stated = self._file.size
        if stated is not None and announced is not None and announced != stated:
            raise Fault(
                _wrong_length(announced, stated, "stated"),
                remedy="the file has changed at its source: use an edition of the plugin that knows the new one",
            )

    def _nothing_more(self, headers: Mapping[str, str], offset: int, entry: Entry) -> None:
        """The server has no byte at `offset` (416): the file ends there, or is another one by now."""
        total = Range.of(headers).total
        if total == offset and self._can_be_checked(offset):
            return
        self._drop()
        if total == offset and entry.size is not None:
            raise Fault(_wrong_length(offset, entry.size, "announced"), may_pass=True)
        raise Fault("the file has changed on the server", may_pass=True)

    def _can_be_checked(self, num_bytes: int) -> bool:
        """Whether the plan states enough of the file to know that it is whole."""
        return bool(self._file.md5 or self._file.sha256) or self._file.size == num_bytes

    def _drop(self) -> None:
        self._part.unlink(missing_ok=True)
        self._meter.reached(0, None, new=False)


def _write_all(stream: BinaryIO, piece: bytes) -> None:
    """An unbuffered file may take a part only, as when the disk is nearly full."""
    rest = memoryview(piece)
    while rest:
        rest = rest[stream.write(rest) :]


def _wrong_length(found: int, wanted: int, by: str) -> str:
    return f"{'shorter' if found < wanted else 'longer'} than {by}: {found:,} instead of {wanted:,} bytes"

"""One file from start to end: is it there, what is stated of it, its bytes, its checksum, its name, its members."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from domainlm.api import Details, FetchError, LeftOut, RemoteFile
from domainlm.api.failures import blamed, refused
from domainlm.fetch.checksums import Checksums, checksums_of, difference, read_md5
from domainlm.fetch.client import Client, SourceReader
from domainlm.fetch.faults import Fault
from domainlm.fetch.journal import Entry, Journal
from domainlm.fetch.partial import num_bytes, part_path
from domainlm.fetch.transfer import Meter, Transfer
from domainlm.fetch.unpack import unpack
from domainlm.files import sync_file

_LOG = logging.getLogger(__name__)
_WRONG_CHECKSUMS = 2
"""How often a file is fetched whose checksum is wrong: once more, since it may have changed or been damaged here."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file.

    Attributes:
        name: its name.
        kind: "fetched"; "there" before; or "left out".
        num_bytes: its size.
        reason: why it was left out.
        is_news: the server was asked for it, and had it.
    """

    name: str
    kind: Literal["fetched", "there", "left out"]
    num_bytes: int = 0
    reason: str = ""
    is_news: bool = False


class Downloader:
    """Fetches files of one source into one folder. May be used by several threads, each with other files.

    Args:
        client: makes the requests.
        journal: what is known of the folder's files.
        base_url: where relative addresses start.
        folder: where the files go.
    """

    def __init__(self, client: Client, journal: Journal, base_url: str, folder: Path) -> None:
        self._client = client
        self._journal = journal
        self._reader = SourceReader(client, base_url)
        self._folder = folder

    def fetch(self, file: RemoteFile, meter: Meter) -> Outcome:
        """Leave the file, whole and verified, under its name.

        Raises:
            FetchError: it cannot be had from any of its addresses, or what came is not what is stated.
            Stopped: all is to end.
        """
        settled = self._settled(file)
        if settled is not None:
            return settled
        described = self._describe(file)
        if isinstance(described, LeftOut):
            self._journal.write(Entry(name=file.name, state="left out", reason=described.reason))
            return Outcome(file.name, "left out", reason=described.reason, is_news=True)
        path = self._folder / file.name
        kind: Literal["fetched", "there"] = "there"
        if not (self._adopt(described, path) and self._unpack_adopted(described, path)):
            self._bring(described, path, meter)
            kind = "fetched"
        return Outcome(file.name, kind, num_bytes(path), is_news=kind == "fetched")

    def _settled(self, file: RemoteFile) -> Outcome | None:
        """What an earlier call has settled, without asking the server."""
        entry = self._journal.get(file.name)
        if entry is None or entry.state == "begun":
            return None
        if entry.state == "left out":
            return Outcome(file.name, "left out", reason=entry.reason)
        if num_bytes(self._folder / file.name) != entry.size or file.size not in (None, entry.size):
            return None
        if difference(Checksums(entry.md5, entry.sha256), md5=file.md5, sha256=file.sha256):
            return None
        if not all((self._folder / member.target).is_file() for member in file.members):
            return None
        return Outcome(file.name, "there", entry.size or 0)

    def _describe(self, file: RemoteFile) -> RemoteFile | LeftOut:
        """Complete the record of a file from the small files beside it."""
        if file.details is not None:
            url = self._reader.absolute(file.details.url)
            described = _read_details(file, file.details, self._reader.read(url), url)
            if isinstance(described, LeftOut):
                return described
            file = replace(described, details=None)
        if file.checksum_url:
            url = self._reader.absolute(file.checksum_url)
            file = replace(file, md5=read_md5(self._reader.read(url), file.name.rsplit("/", 1)[-1], url))
        return file

    def _adopt(self, file: RemoteFile, path: Path) -> bool:
        """Whether the file lies there already, from an earlier call or by other ways, and is the stated one."""
        if not path.is_file():
            return False
        entry = self._journal.get(file.name)
        if entry is not None and entry.state == "done":
            file = replace(file, md5=file.md5 or entry.md5, sha256=file.sha256 or entry.sha256)
        if not (file.md5 or file.sha256):
            _LOG.warning("%s is there, but nothing says whether it is whole: it is fetched again", path)
            return False
        found = checksums_of(path, self._client.stop)
        wrong = difference(found, md5=file.md5, sha256=file.sha256)
        if wrong:
            _LOG.warning("%s is there, but %s: it is fetched again", path, wrong)
            return False
        part_path(path).unlink(missing_ok=True)
        done = Entry(name=file.name, state="done", size=num_bytes(path), md5=found.md5, sha256=found.sha256)
        self._journal.write(done)
        return True

    def _unpack_adopted(self, file: RemoteFile, path: Path) -> bool:
        """Unpack what lies there; False where it is to be fetched anew, since nobody but us calls it whole."""
        try:
            unpack(path, file.members, self._folder)
        except FetchError as error:
            if file.md5 or file.sha256:
                raise
            _LOG.warning("%s is there, but %s: it is fetched again", path, error.problem)
            return False
        return True

    def _bring(self, file: RemoteFile, path: Path, meter: Meter) -> None:
        """Try one address after the other."""
        last: FetchError | None = None
        for place, relative in enumerate(file.urls):
            url = self._reader.absolute(relative)
            try:
                self._bring_from(url, file, path, meter)
            except Fault as fault:
                last = fault.as_error(url)
                last.__cause__ = fault
            except FetchError as error:
                last = error
            else:
                return
            if place + 1 < len(file.urls):
                _LOG.warning("%s: %s; its next address is tried", url, last.problem)
        assert last is not None
        raise last

    def _bring_from(self, url: str, file: RemoteFile, path: Path, meter: Meter) -> None:
        part = part_path(path)
        for attempt in range(1, _WRONG_CHECKSUMS + 1):
            Transfer(self._client, self._journal, file, url, part, meter).run()
            found = checksums_of(part, self._client.stop)
            wrong = difference(found, md5=file.md5, sha256=file.sha256)
            if not wrong:
                break
            part.unlink()
            meter.reached(0, None, new=False)
            if attempt == _WRONG_CHECKSUMS:
                raise FetchError(
                    f"wrong checksum: {wrong}",
                    where=url,
                    remedy="the file there is damaged or is being changed: try later",
                )
            _LOG.warning("%s: %s; it is fetched anew", url, wrong)
        begun = self._journal.get(file.name)
        assert begun is not None
        sync_file(part)
        self._unpack_part(url, file, part, meter)
        # In this order: after a break between the two, the part is found whole, and gets its name without a request.
        done = replace(begun, state="done", size=num_bytes(part), md5=found.md5, sha256=found.sha256, failed=False)
        self._journal.write(done)
        part.replace(path)

    def _unpack_part(self, url: str, file: RemoteFile, part: Path, meter: Meter) -> None:
        """Before the file counts as fetched: a server's error page may come in place of an archive."""
        try:
            unpack(part, file.members, self._folder)
        except FetchError as error:
            part.unlink()
            meter.reached(0, None, new=False)
            raise FetchError(
                error.problem,
                where=url,
                given=error.given,
                allowed=error.allowed,
                nearest=error.nearest,
                remedy=error.remedy,
            ) from error


def _read_details(file: RemoteFile, details: Details, content: bytes, url: str) -> RemoteFile | LeftOut:
    with blamed(details.read, file.name, f"the details at {url} could not be read"):
        described: object = details.read(file, content)
    if not isinstance(described, RemoteFile | LeftOut):
        problem = "`read` of Details must return the file, or that it is left out"
        raise refused(details.read, file.name, problem, given=repr(described)[:200], allowed="RemoteFile or LeftOut")
    return described

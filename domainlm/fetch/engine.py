"""Fetching many files at once into one folder."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from domainlm.api import RemoteFile
from domainlm.errors import FetchError, shortened
from domainlm.fetch.client import Client
from domainlm.fetch.download import Downloader, Outcome
from domainlm.fetch.faults import Stopped, UnreachableError
from domainlm.fetch.journal import Journal
from domainlm.fetch.policy import Policy
from domainlm.fetch.progress import Progress

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 0.1
"""How often the main thread looks up while it waits, so that Ctrl-C is heard."""
_FAREWELL_SECONDS = 2.0
"""How long threads may take to end once they were told to; one that waits for a silent server is left behind."""
_MAX_SHOWN = 5
_NEXT_LINE = "\n           "  # below the first line of what an error was given, or of its remedy


@dataclass(slots=True)
class Report:
    """What became of the files.

    Attributes:
        num_fetched: files that came.
        num_there: files that were there before.
        left_out: how many were not wanted, by reason.
        num_bytes: size of those fetched and those there.
        failures: why files could not be had, by name.
        gave_up: so many failed one after the other that the rest was not tried.
    """

    num_fetched: int = 0
    num_there: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    num_bytes: int = 0
    failures: dict[str, FetchError] = field(default_factory=dict)
    gave_up: bool = False

    def add(self, outcome: Outcome) -> None:
        """Count one file."""
        self.num_fetched += outcome.kind == "fetched"
        self.num_there += outcome.kind == "there"
        if outcome.kind == "left out":
            self.left_out[outcome.reason] += 1
        self.num_bytes += outcome.num_bytes


def fetch_files(
    files: Iterable[RemoteFile],
    *,
    client: Client,
    journal: Journal,
    base_url: str,
    folder: Path,
    num_files: int | None = None,
    show_progress: bool | None = None,
) -> Report:
    """Fetch files, several at once.

    Whatever breaks it off (Ctrl-C, SIGKILL, a full disk), every file under its own name is whole and verified, and the
    next call goes on with the first bytes of the others. A file that fails does not keep the others from coming: those
    that failed in an earlier call are tried last.

    Args:
        files: what to fetch; looked at as threads become free, so it may be longer than memory is large.
        client: makes the requests; its policy says how many at once.
        journal: what is known of the folder's files, opened for this folder.
        base_url: where relative addresses start.
        folder: where the files go.
        num_files: how many there are, for the time left.
        show_progress: a bar on stderr; where None, on terminals.

    Raises:
        FetchError: files are missing at the end, or the server cannot be reached; all others are there.
        StorageError: the disk has no room.
        OSError: the folder cannot be written.
    """
    with Progress(num_files, shown=show_progress) as progress:
        downloader = Downloader(client, journal, base_url, folder)
        crew = _Crew(_failed_last(files, journal), downloader, client, progress, journal)
        crew.work()
    _raise_failures(crew.report, folder)
    return crew.report


def _failed_last(files: Iterable[RemoteFile], journal: Journal) -> Iterator[RemoteFile]:
    """The files in their order, those after all others that could not be had the last time."""
    put_off = []
    for file in files:
        entry = journal.get(file.name)
        if entry is not None and entry.failed:
            put_off.append(file)
        else:
            yield file
    yield from put_off


class _Crew:
    """The threads at work on one list of files."""

    def __init__(
        self,
        files: Iterator[RemoteFile],
        downloader: Downloader,
        client: Client,
        progress: Progress,
        journal: Journal,
    ) -> None:
        self.report = Report()
        self._files = files
        self._downloader = downloader
        self._journal = journal
        self._failed_in_a_row = 0
        self._policy: Policy = client.policy
        self._stop = client.stop
        self._progress = progress
        self._guard = threading.Lock()
        self._fatal: BaseException | None = None

    def work(self) -> None:
        """Return when all is settled; raise what ended it before."""
        # Daemons: a thread that waits for a silent server must not keep the process from ending after Ctrl-C.
        threads = [threading.Thread(target=self._run, daemon=True) for _ in range(self._policy.connections)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(_LOOK_SECONDS)
        except BaseException:
            self._stop.set()
            for thread in threads:
                thread.join(_FAREWELL_SECONDS / len(threads))
            raise
        if self._fatal is not None:
            raise self._fatal

    def _run(self) -> None:
        try:
            while (file := self._next()) is not None:
                self._settle(file)
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            self._end(error)

    def _next(self) -> RemoteFile | None:
        with self._guard:
            try:
                return None if self._stop.is_set() else next(self._files, None)
            except FetchError as error:  # no more can be found; those under way come to their end
                self._files = iter(())
                self._fatal = error
                return None

    def _settle(self, file: RemoteFile) -> None:
        try:
            outcome = self._downloader.fetch(file, self._progress.meter(file.name))
        except UnreachableError:
            raise
        except FetchError as error:
            self._failed(file, error)
            return
        with self._guard:
            self.report.add(outcome)
            if outcome.is_news:
                self._failed_in_a_row = 0
        self._progress.ended(counts=outcome.kind == "fetched")
        _LOG.debug("%s: %s", outcome.name, outcome.reason or outcome.kind)

    def _failed(self, file: RemoteFile, error: FetchError) -> None:
        with self._guard:
            self.report.failures[file.name] = error
            self._failed_in_a_row += 1
            gave_up = self._failed_in_a_row >= self._policy.max_failures
            self.report.gave_up |= gave_up
        self._journal.write_failure(file.name)
        _LOG.debug("%s: %s", file.name, error)
        if gave_up:
            self._stop.set()

    def _end(self, error: BaseException) -> None:
        with self._guard:
            if self._fatal is None:
                self._fatal = error
        self._stop.set()


def _raise_failures(report: Report, folder: Path) -> None:
    """One error for all files that failed: alone in full, else the first few in a line each."""
    failures = list(report.failures.items())
    if not failures:
        return
    if len(failures) == 1 and not report.num_fetched and not report.num_there:
        raise failures[0][1]
    lines = [f"{name}: {error.problem}" for name, error in failures]
    there = report.num_fetched + report.num_there
    given_up = ", the rest was given up" if report.gave_up else ""
    remedy = failures[0][1].remedy or "run the same command again: only what is missing is fetched"
    if report.gave_up:
        remedy += f"{_NEXT_LINE}run the same command again: it goes on with the others, and tries these last"
    raise FetchError(
        f"{len(failures)} file(s) could not be fetched, {there} are there{given_up}",
        where=folder,
        given=shortened(lines, _MAX_SHOWN, separator=_NEXT_LINE, before_rest=_NEXT_LINE),
        remedy=remedy,
    ) from failures[0][1]

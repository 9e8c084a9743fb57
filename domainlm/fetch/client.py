"""HTTP requests: one pool of connections, no more at once than the policy allows, and no content coding."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx2

from domainlm.fetch.faults import Fault, Stopped, faults_of, status_fault
from domainlm.fetch.policy import Budget, Policy

MAX_SMALL_FILE_BYTES = 64 * 2**20
_MAX_REDIRECTS = 5
_OK = 200


class Answer:
    """The head of a server's answer, and its body as it comes."""

    def __init__(self, response: httpx2.Response, url: str) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._url = url

    def pieces(self) -> Iterator[bytes]:
        """The body's bytes as sent.

        Raises:
            Fault: the connection broke off, or nothing comes any more.
        """
        with faults_of(self._url):
            yield from self._response.iter_raw()


class Client:
    """Makes requests. May be used by several threads; to be closed, or used in a `with` statement.

    Args:
        policy: limits.
        stop: set when all is to end; waiting ends at once.
    """

    def __init__(self, policy: Policy, stop: threading.Event) -> None:
        self.policy = policy
        self.stop = stop
        self._http = httpx2.Client(
            # Lengths, ranges and checksums are those of the stored bytes, so nothing may be coded on the way.
            headers={"User-Agent": policy.user_agent, "Accept-Encoding": "identity"},
            timeout=httpx2.Timeout(policy.read_timeout_seconds, connect=policy.connect_timeout_seconds),
            limits=httpx2.Limits(max_connections=policy.connections, max_keepalive_connections=policy.connections),
            follow_redirects=True,
            max_redirects=_MAX_REDIRECTS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Answer]:
        """Ask for a file; the connection is free again when the block is left.

        Raises:
            Fault: there is no answer, or one that leads from https to http.
        """
        with faults_of(url), self._http.stream("GET", url, headers=headers) as response:
            if url.startswith("https:") and response.url.scheme != "https":
                raise Fault(f"the server leads from https to {response.url}", remedy="nothing was taken from there")
            yield Answer(response, url)

    def read(self, url: str) -> bytes:
        """Return a small file, tried again where that may help.

        Raises:
            Fault: the last one.
        """
        budget = Budget(self.policy)
        while True:
            try:
                return self._read_once(url)
            except Fault as fault:
                self.wait(budget.delay_after(fault, 0))

    def wait(self, seconds: float) -> None:
        """Sleep; raises `Stopped` as soon as all is to end."""
        if self.stop.wait(seconds):
            raise Stopped

    def _read_once(self, url: str) -> bytes:
        content = bytearray()
        with self.get(url) as answer:
            if answer.status != _OK:
                raise status_fault(answer.status, answer.headers)
            for piece in answer.pieces():
                content += piece
                if len(content) > MAX_SMALL_FILE_BYTES:
                    raise Fault(f"more than {MAX_SMALL_FILE_BYTES} bytes, where a small file was expected")
                if self.stop.is_set():
                    raise Stopped
        return bytes(content)


class SourceReader:
    """Reads small files of one source: the `RemoteReader` that plugins are given."""

    def __init__(self, client: Client, base_url: str) -> None:
        self._client = client
        self.base_url = base_url

    def absolute(self, url: str) -> str:
        """The address, relative ones taken below the source's own."""
        return urljoin(self.base_url, url)

    def read(self, url: str) -> bytes:
        """Return a small file's content; `FetchError` where it cannot be had."""
        address = self.absolute(url)
        try:
            return self._client.read(address)
        except Fault as fault:
            raise fault.as_error(address) from fault

"""A web server on the loopback address that does as it is told: breaks off, lies, stalls, changes its files."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path

import pytest

from domainlm.api import RemoteFile
from domainlm.fetch.client import Client
from domainlm.fetch.engine import Report, fetch_files
from domainlm.fetch.journal import open_journal
from domainlm.fetch.policy import Policy

_PIECE_BYTES = 16_384


@dataclass(frozen=True)
class Manner:
    """How one request is answered; by itself: rightly.

    Attributes:
        status: answer with this status and no file.
        headers: further headers.
        cut_after: bytes of the body after which the connection is closed.
        stall_after: bytes of the body after which nothing is sent any more, for `seconds`.
        seconds: how long; with `slow`, the pause after each piece.
        slow: pause after each piece.
        length: say this Content-Length instead of the true one; 0 says none and closes the connection at the end.
        ignores_range: send the whole file whatever is asked for.
        ignores_if_range: send the range whatever the validators.
        shift: begin a range so many bytes from where it was asked to.
        silent: no ETag and no Last-Modified.
        body: another body, of another file as it were.
        etag: another entity tag.
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    cut_after: int | None = None
    stall_after: int | None = None
    seconds: float = 0.0
    slow: bool = False
    length: int | None = None
    ignores_range: bool = False
    ignores_if_range: bool = False
    shift: int = 0
    silent: bool = False
    body: bytes | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    path: str
    range: str | None
    if_range: str | None
    user_agent: str | None
    coding: str | None


@dataclass
class Web:
    """The server's files and manners, and what it was asked.

    Attributes:
        files: content by path.
        always: manner of each path's answers where `once` has none.
        once: manners for the next requests of a path, in order.
        asked: requests, in order of their coming.
        most_at_once: how many were being answered at the same time at most.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    always: dict[str, Manner] = field(default_factory=dict)
    once: defaultdict[str, list[Manner]] = field(default_factory=lambda: defaultdict(list))
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    def next(self, path: str, **manner: object) -> None:
        """Say how the next request of a path is answered; several calls, several requests."""
        self.once[path].append(Manner(**manner))  # type: ignore[arg-type]

    def every(self, path: str, **manner: object) -> None:
        """Say how all other requests of a path are answered."""
        self.always[path] = Manner(**manner)  # type: ignore[arg-type]

    def asked_for(self, path: str) -> list[Asked]:
        """Requests of one path."""
        return [asked for asked in self.asked if asked.path == path]

    def ranges(self, path: str) -> list[str | None]:
        """The Range headers of the requests of one path."""
        return [asked.range for asked in self.asked_for(path)]

    def with_md5(self, path: str, content: bytes) -> None:
        """Lay a file with its .md5 beside it, as an archive does."""
        name = path.rsplit("/", 1)[-1]
        self.files[path] = content
        self.files[f"{path}.md5"] = f"MD5({name})= {hashlib.md5(content, usedforsecurity=False).hexdigest()}\n".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    web: Web

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        web = self.web
        path = self.path
        with web.guard:
            web.asked.append(
                Asked(
                    path,
                    self.headers["Range"],
                    self.headers["If-Range"],
                    self.headers["User-Agent"],
                    self.headers["Accept-Encoding"],
                )
            )
            manner = web.once[path].pop(0) if web.once[path] else web.always.get(path, Manner())
            web.at_once += 1
            web.most_at_once = max(web.most_at_once, web.at_once)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._answer(path, manner)
        finally:
            with web.guard:
                web.at_once -= 1

    def _answer(self, path: str, manner: Manner) -> None:
        content = self.web.files.get(path) if manner.body is None else manner.body
        if manner.status or content is None:
            self.send_response(manner.status or 404)
            for key, value in manner.headers:
                self.send_header(key, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        etag = manner.etag or f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        start = self._start(manner, etag)
        if start is not None and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if not manner.silent:
            self.send_header("ETag", etag)
        for key, value in manner.headers:
            self.send_header(key, value)
        body = content[start or 0 :]
        if manner.length == 0:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body) if manner.length is None else manner.length))
        self.end_headers()
        self._send(body, manner)

    def _start(self, manner: Manner, etag: str) -> int | None:
        """The first byte to send; None sends the whole file."""
        asked = self.headers["Range"]
        if asked is None or manner.ignores_range:
            return None
        if self.headers["If-Range"] not in (None, etag) and not manner.ignores_if_range:
            return None
        return int(asked.removeprefix("bytes=").removesuffix("-")) + manner.shift

    def _send(self, body: bytes, manner: Manner) -> None:
        end = len(body) if manner.cut_after is None else manner.cut_after
        for place in range(0, end, _PIECE_BYTES):
            if manner.stall_after is not None and place >= manner.stall_after:
                self.web.closing.wait(manner.seconds)
                break
            self.wfile.write(body[place : min(end, place + _PIECE_BYTES)])
            if manner.slow:
                time.sleep(manner.seconds)
        if manner.cut_after is not None or manner.stall_after is not None or manner.length is not None:
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        """A client that goes away is no error here."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """The server, on a free port of 127.0.0.1."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    told = Web()
    handler = type("Handler", (_Handler,), {"web": told})
    with _Server(("127.0.0.1", 0), handler) as server:
        told.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield told
        told.closing.set()
        server.shutdown()
        thread.join()


QUICK = Policy(
    connections=4,
    attempts=4,
    patience_seconds=10.0,
    first_delay_seconds=0.02,
    max_delay_seconds=2.0,
    read_timeout_seconds=5.0,
    connect_timeout_seconds=2.0,
)


@pytest.fixture
def fetch(web: Web, tmp_path: Path) -> Callable[..., Report]:
    """Fetch files from the server into `tmp_path / "out"`, impatiently; keywords change the policy."""

    def run(*files: RemoteFile, found: Iterable[RemoteFile] = (), **limits: object) -> Report:
        with (
            Client(replace(QUICK, **limits), threading.Event()) as client,  # type: ignore[arg-type]
            open_journal(tmp_path / "out") as journal,
        ):
            return fetch_files(
                chain(files, found), client=client, journal=journal, base_url=web.url, folder=tmp_path / "out"
            )

    return run


@pytest.fixture
def payload() -> Callable[[int, int], bytes]:
    """Bytes that look like nothing in particular: the same for the same seed."""

    def make(num_bytes: int, seed: int = 0) -> bytes:
        return hashlib.shake_256(str(seed).encode()).digest(num_bytes)

    return make

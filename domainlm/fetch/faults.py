"""What can go wrong between here and a server, told apart by what to do about it."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx2

from domainlm.errors import FetchError

_PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})  # RFC 9110 (15.5.9, 15.6), RFC 8470, RFC 6585
_GONE = frozenset({404, 410})
_NOT_ALLOWED = frozenset({401, 403, 407})
_NETWORK_DOWN = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN})


class Stopped(BaseException):
    """Fetching was told to stop. No error: someone asked for it, and no handler of errors may keep it."""


class UnreachableError(FetchError):
    """A server that cannot be reached at all, so that its other files need not be tried."""


class Fault(Exception):  # noqa: N818 - the error that users see is made of it
    """One attempt that failed.

    Attributes:
        problem: what happened, as one clause.
        remedy: what the user can do, where nothing else helps.
        may_pass: another attempt may succeed.
        concerns_all: it would happen to every other file too: the server cannot be reached at all.
        retry_after_seconds: how long the server asks to wait.
    """

    def __init__(
        self,
        problem: str,
        *,
        remedy: str | None = None,
        may_pass: bool = False,
        concerns_all: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.may_pass = may_pass
        self.concerns_all = concerns_all
        self.retry_after_seconds = retry_after_seconds

    def as_error(self, url: str) -> FetchError:
        """The error for the user."""
        remedy = self.remedy
        if remedy is None and self.may_pass:
            remedy = "run the same command again later: it goes on where it stopped"
        kind = UnreachableError if self.concerns_all else FetchError
        return kind(self.problem, where=url, remedy=remedy)


@contextmanager
def faults_of(url: str) -> Iterator[None]:
    """Turn what the HTTP library raises into a `Fault`."""
    try:
        yield
    except httpx2.HTTPError as error:
        raise _fault_of(error, url) from error
    except httpx2.InvalidURL as error:
        raise Fault(f"not a usable address: {error}") from error


_NETWORK_REMEDY = "check the network, the proxy settings and the address"


def _fault_of(error: httpx2.HTTPError, url: str) -> Fault:
    host = httpx2.URL(url).host
    match error:
        case httpx2.ConnectError():
            return _connect_fault(error, host)
        case httpx2.ConnectTimeout():
            return Fault(f"{host} does not answer", may_pass=True, concerns_all=True, remedy=_NETWORK_REMEDY)
        case httpx2.ProxyError():
            return Fault(f"the proxy refused: {error}", concerns_all=True, remedy="check the variable HTTPS_PROXY")
        case httpx2.TimeoutException():
            problem = "the server stopped sending"
        case httpx2.RemoteProtocolError() | httpx2.NetworkError():
            problem = "the connection broke off"
        case _:  # such as redirects in circles, or to an address that is neither http nor https
            return Fault(f"the server cannot be understood: {error}")
    return Fault(problem, may_pass=True)


def _connect_fault(error: httpx2.ConnectError, host: str) -> Fault:
    """Tell why no connection could be made, by the operating system's error below it."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            passing = cause.errno == socket.EAI_AGAIN
            problem = f"the name {host} cannot be found (DNS)"
            return Fault(problem, may_pass=passing, concerns_all=True, remedy=_NETWORK_REMEDY)
        if isinstance(cause, ssl.SSLError):
            problem = f"no secure connection to {host}: {cause.reason or cause}"
            remedy = "check the system's clock and certificates; SSL_CERT_FILE names others"
            return Fault(problem, concerns_all=True, remedy=remedy)
        if isinstance(cause, ConnectionRefusedError):
            return Fault(f"{host} refuses connections", may_pass=True, concerns_all=True, remedy=_NETWORK_REMEDY)
        if isinstance(cause, OSError) and cause.errno in _NETWORK_DOWN:
            problem = f"there is no way to {host}: {cause.strerror}"
            return Fault(problem, may_pass=True, concerns_all=True, remedy=_NETWORK_REMEDY)
    return Fault(f"no connection to {host}: {error}", may_pass=True, concerns_all=True, remedy=_NETWORK_REMEDY)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def status_fault(status: int, headers: Mapping[str, str]) -> Fault:
    """The fault that an answer's status means."""
    try:
        phrase = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    if status in _PASSING_STATUSES:
        return Fault(
            f"the server answers {phrase}",
            may_pass=True,
            retry_after_seconds=retry_after_seconds(headers.get("retry-after", ""), datetime.now(UTC)),
        )
    if status in _GONE:
        return Fault(
            f"not there ({phrase})", remedy="check the address; it may have moved: name another with --base-url"
        )
    if status in _NOT_ALLOWED:
        return Fault(f"the server does not let us in ({phrase})", remedy="check whether it asks for a registration")
    return Fault(f"the server answers {phrase}")


def retry_after_seconds(text: str, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, given in seconds or as a date (RFC 9110, 10.2.3); None without."""
    if text.strip().isdecimal():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())

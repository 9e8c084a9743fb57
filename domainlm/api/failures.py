"""What plugins give and what then fails: whose fault it is, and in which of their lines."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from domainlm.api.owners import comes_from_a_signal, is_core, owner_of, place_of, raised_at
from domainlm.errors import DataError, PluginError, UserError

RecordT = TypeVar("RecordT")
Chosen = Callable[[], Iterable[Path]]
"""Gives the files and folders that the user chose, or domainlm for them: called where something has failed."""

_OF_THE_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
"""Errors of the system that say nothing of whoever met them."""


def read_by(
    read: Callable[..., Iterable[RecordT]],
    spec: str,
    path: Path,
    *further: object,
    companions: Callable[[Path], Iterable[Path]] | None = None,
) -> Iterator[RecordT]:
    """Stream what a spec's reader gives of one file.

    Args:
        read: the reader.
        spec: whose it is, for the error.
        path: its first argument.
        further: its further ones.
        companions: gives the files that belong to it, which are the user's as well.

    Raises:
        UserError: the reader's own. Where it does not say where, the file is said; where it is about a file that is not
            the user's, so is the plugin that opened it.
        PluginError: a plugin's reader raises what is no `UserError`, as `blamed` says it.
    """

    def chosen() -> Iterator[Path]:
        yield path
        yield from companions(path) if companions is not None else ()

    remedy = "mend the file, or tell whoever wrote the plugin"
    with blamed(read, spec, f"the reader failed at {path}", remedy=remedy, chosen=chosen):
        try:
            yield from read(path, *further)
        except UserError as error:
            error.at(path)
            if not is_core(read) and _is_elsewhere(error.where or "", chosen):
                error.within(f"{owner_of(read)}, {spec}")
            raise


@contextmanager
def blamed(
    function: Callable[..., object],
    spec: str,
    problem: str,
    *,
    remedy: str = "tell whoever wrote the plugin",
    chosen: Chosen = tuple,
) -> Iterator[None]:
    """Say whose it is where a function of a spec fails.

    Args:
        function: what is called inside.
        spec: whose it is, for the error.
        problem: what has failed, for the error.
        remedy: what to do about it.
        chosen: what the function was given to read or to write in.

    Raises:
        PluginError: a plugin's function raises what is no `UserError`, or ends the process by `sys.exit`. The core's
            bugs pass, and errors of the system that are about what was chosen, or would meet anyone, as a full disk
            does.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if is_core(function) or _is_no_fault(error, chosen):
            raise
        where = ", ".join((owner_of(function), spec, raised_at(error) or place_of(function)))
        raise PluginError(
            f"{problem}: {type(error).__name__}: {error}", where=where, remedy=f"{remedy}; -v shows the traceback"
        ) from error


@contextmanager
def lent(items: Iterable[RecordT]) -> Iterator[Iterator[RecordT]]:
    """Lend a plugin's function what it iterates: where that fails, it is not the function's fault.

    It stands around `blamed`, and raises the error of `items` in place of the `PluginError` made of it.
    """
    failed: list[Exception] = []

    def passed() -> Iterator[RecordT]:
        try:
            yield from items
        except Exception as error:
            failed.append(error)
            raise

    try:
        yield passed()
    except PluginError as error:
        if error.__cause__ in failed:
            raise failed[0] from None
        raise


def refused(
    function: Callable[..., object],
    spec: str,
    problem: str,
    *,
    given: object,
    allowed: str | Sequence[str] | None,
    at: str = "",
) -> UserError:
    """The error for what a function of a spec gave and must not give.

    Args:
        function: what gave it.
        spec: whose it is.
        problem: what is wrong, in one clause.
        given: what it gave.
        allowed: what it should give.
        at: the file and the example, where there are such.
    """
    if is_core(function):
        return DataError(problem, where=", ".join(filter(None, (at, spec))), given=given, allowed=allowed)
    return PluginError(
        problem,
        where=", ".join(filter(None, (owner_of(function), spec, place_of(function), at))),
        given=given,
        allowed=allowed,
        remedy="mend the plugin; domainlm.testing.check_plugin finds such mistakes",
    )


def _is_no_fault(error: BaseException, chosen: Chosen) -> bool:
    """Whether it only passed through the plugin's function."""
    if isinstance(error, SystemExit):
        return comes_from_a_signal(error)
    if isinstance(error, OSError):
        return error.errno in _OF_THE_MACHINE or _is_chosen(error, chosen)
    # A question that the user broke off: click is not imported for that.
    return (type(error).__module__, type(error).__name__) == ("click.exceptions", "Abort")


def _is_chosen(error: OSError, chosen: Chosen) -> bool:
    """Whether it is about what was chosen: that itself, or the right to write in it."""
    if not isinstance(error.filename, str | Path):
        return False
    place, is_denied = Path(error.filename).resolve(), isinstance(error, PermissionError)
    places = [each.resolve() for each in _listed(chosen)]
    return any(place == each or (is_denied and place.is_relative_to(each)) for each in places)


def _is_elsewhere(where: str, chosen: Chosen) -> bool:
    """Whether a place of an error, a path and perhaps a line, is in another file than these."""
    if not Path(where).is_absolute():
        return False
    names = {str(path) for each in _listed(chosen) for path in (each, each.absolute(), each.resolve())}
    return not any(where.startswith(name) and not _goes_on(where[len(name) :]) for name in names)


def _goes_on(rest: str) -> bool:
    """Whether a path is longer than a part that it begins with, not followed by a line or the like."""
    return rest[:1].isalnum() or rest.startswith(tuple("._-~/"))


def _listed(chosen: Chosen) -> list[Path]:
    """Those that are told: a plugin's function may fail in telling."""
    found: list[Path] = []
    with suppress(Exception):  # there is an error to tell of already
        for each in chosen():
            found.append(each)  # noqa: PERF402 - those before the failure are kept
    return found

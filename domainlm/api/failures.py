"""What plugins give and what then fails: whose it is, and in which of their lines."""

from __future__ import annotations

import errno
import inspect
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from domainlm.errors import DataError, PluginError, UserError

RecordT = TypeVar("RecordT")

_CORE = __name__.partition(".")[0]
_OWN_FOLDER = f"{Path(__file__).parents[1]}{os.sep}"
_LIBRARY = f"{Path(os.__file__).parent}{os.sep}"
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_OF_THE_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of the system that say nothing of whoever met them."""


def read_by(read: Callable[..., Iterable[RecordT]], spec: str, path: Path, *further: object) -> Iterator[RecordT]:
    """Stream what a spec's reader gives of one file.

    Args:
        read: the reader.
        spec: whose it is, for the error.
        path: its first argument.
        further: its further ones.

    Raises:
        UserError: the reader's own. Where it does not say where, the file is said; where it is about another file, so
            is the plugin that opened that.
        PluginError: a plugin's reader raises what is no `UserError`, as `blamed` says it.
    """
    remedy = "mend the file, or tell whoever wrote the plugin"
    with blamed(read, spec, f"the reader failed at {path}", remedy=remedy, chosen=path):
        try:
            yield from read(path, *further)
        except UserError as error:
            error.at(path)
            if not _is_core(read) and _is_elsewhere(error.where or "", path):
                error.within(f"{owner_of(read)}, {spec}")
            raise


@contextmanager
def blamed(
    function: Callable[..., object],
    spec: str,
    problem: str,
    *,
    remedy: str = "tell whoever wrote the plugin",
    chosen: Path | None = None,
) -> Iterator[None]:
    """Say whose it is where a function of a spec fails.

    Args:
        function: what is called inside.
        spec: whose it is, for the error.
        problem: what has failed, for the error.
        remedy: what to do about it.
        chosen: the file that the user chose, where the function reads one.

    Raises:
        PluginError: a plugin's function raises what is no `UserError`, or ends the process by `sys.exit`. The core's
            bugs pass, and errors of the system that are about the user's own file, or would meet anyone, as a full disk
            does.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if _is_core(function) or _is_no_fault(error, function, chosen):
            raise
        where = ", ".join((owner_of(function), spec, raised_at(error) or place_of(function)))
        raise PluginError(
            f"{problem}: {type(error).__name__}: {error}", where=where, remedy=f"{remedy}; -v shows the traceback"
        ) from error


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
    if _is_core(function):
        return DataError(problem, where=", ".join(filter(None, (at, spec))), given=given, allowed=allowed)
    return PluginError(
        problem,
        where=", ".join(filter(None, (owner_of(function), spec, place_of(function), at))),
        given=given,
        allowed=allowed,
        remedy="mend the plugin; domainlm.testing.check_plugin finds such mistakes",
    )


def raised_at(error: BaseException) -> str:
    """File and line of the last code outside of domainlm and of Python's own that led to the error.

    Empty where there is none.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"  # which is not among the frames, as it never ran
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", _OWN_FOLDER)) and not _is_of_python(frame.filename)
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def owner_of(function: Callable[..., object]) -> str:
    """The plugin whose function it is, by its distribution and version; by its module where it is not installed."""
    return f"plugin {_distribution(_module(function))}"


def place_of(function: Callable[..., object]) -> str:
    """File and line of a function, or its name where it has none."""
    inner = getattr(function, "func", function)
    code = getattr(inspect.unwrap(getattr(inner, "__func__", inner)), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else repr(function)


def _is_of_python(file: str) -> bool:
    return file.startswith(_LIBRARY) and not any(folder in file for folder in _INSTALLED)


def _is_no_fault(error: BaseException, function: Callable[..., object], chosen: Path | None) -> bool:
    """Whether it only passed through the plugin's function."""
    if isinstance(error, SystemExit):  # a program's own handler of a signal may raise it wherever the signal comes
        return _package(_last_module(error)) != _package(_module(function))
    if not isinstance(error, OSError):
        return False
    named = error.filename
    is_chosen = chosen is not None and isinstance(named, str | Path) and Path(named).resolve() == chosen.resolve()
    return is_chosen or error.errno in _OF_THE_MACHINE


def _is_elsewhere(where: str, path: Path) -> bool:
    """Whether a place of an error is in another file than this."""
    return Path(where).is_absolute() and not where.startswith((str(path), str(path.resolve())))


def _last_module(error: BaseException) -> str:
    """The module of the code that raised it."""
    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return str(modules[-1]) if modules else ""


def _is_core(function: Callable[..., object]) -> bool:
    return _package(_module(function)) == _CORE


def _package(module: str) -> str:
    return module.partition(".")[0]


def _module(read: Any) -> str:  # noqa: ANN401 - a function, a method, a partial or an object that can be called
    inner = getattr(read, "func", read)
    return str(getattr(inner, "__module__", None) or type(inner).__module__)


def _distribution(module: str) -> str:
    """The distribution with the plugin that a module belongs to, and its version; the module where there is none."""
    package = _package(module)
    for entry in entry_points(group=_CORE):
        if entry.dist is not None and entry.dist.name and _package(entry.value.partition(":")[0]) == package:
            return f"{entry.dist.name} {entry.dist.version}"
    return module

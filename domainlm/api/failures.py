"""What plugins give and what then fails: whose it is, and in which of their lines."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from domainlm.errors import PluginError, UserError

RecordT = TypeVar("RecordT")

_CORE = __name__.partition(".")[0]
_OWN_FOLDER = f"{Path(__file__).parents[1]}{os.sep}"


def read_by(read: Callable[..., Iterable[RecordT]], spec: str, path: Path, *further: object) -> Iterator[RecordT]:
    """Stream what a spec's reader gives of one file.

    Args:
        read: the reader.
        spec: whose it is, for the error.
        path: its first argument.
        further: its further ones.

    Raises:
        PluginError: a plugin's reader raises what is no `UserError`. Errors of the system pass, and the core's bugs.
    """
    try:
        yield from read(path, *further)
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:
        module = _module(read)
        if module.partition(".")[0] == _CORE:
            raise
        where = ", ".join(filter(None, (f"plugin {_distribution(module)}", spec, raised_at(error))))
        raise PluginError(
            f"the reader failed at {path}: {type(error).__name__}: {error}",
            where=where,
            remedy="mend the file, or tell whoever wrote the plugin; -v shows the traceback",
        ) from error


def raised_at(error: BaseException) -> str:
    """File and line of the last code outside of domainlm that led to the error; empty where there is none."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", _OWN_FOLDER)) and f"{os.sep}importlib" not in frame.filename
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _module(read: Any) -> str:  # noqa: ANN401 - a function, a method, a partial or an object that can be called
    inner = getattr(read, "func", read)
    return str(getattr(inner, "__module__", None) or type(inner).__module__)


def _distribution(module: str) -> str:
    """The distribution with the plugin that a module belongs to, and its version; the module where there is none."""
    package = module.partition(".")[0]
    for entry in entry_points(group=_CORE):
        if entry.dist is not None and entry.module.partition(".")[0] == package:
            return f"{entry.dist.name} {entry.dist.version}"
    return module

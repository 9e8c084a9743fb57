"""Whose a function is, and where code has failed."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType

CORE = __name__.partition(".")[0]
_OWN_FOLDER = f"{Path(__file__).parents[1]}{os.sep}"
_LIBRARY = f"{Path(os.__file__).parent}{os.sep}"
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def owner_of(function: Callable[..., object]) -> str:
    """The plugin whose function it is, by its distribution and version; by its module where it is not installed."""
    return f"plugin {_distribution(_module(function))}"


def is_core(function: Callable[..., object]) -> bool:
    """Whether a function is domainlm's own."""
    return _package(_module(function)) == CORE


def place_of(function: Callable[..., object]) -> str:
    """File and line of a function, or its name where it has none."""
    inner = getattr(function, "func", function)
    code = getattr(inspect.unwrap(getattr(inner, "__func__", inner)), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else repr(function)


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


def comes_from_a_signal(error: BaseException) -> bool:
    """Whether it was raised by the program's handler of a signal, which may come wherever anything runs.

    A handler is called with a number and the frame that it interrupts; by then it may have been replaced.
    """
    return any(_handles_a_signal(frame) for frame, _ in traceback.walk_tb(error.__traceback__))


def _handles_a_signal(frame: FrameType) -> bool:
    info = inspect.getargvalues(frame)
    given = [info.locals.get(name) for name in info.args]
    given += info.locals.get(info.varargs, ()) if info.varargs else ()
    return any(isinstance(value, FrameType) for value in given) and any(isinstance(value, int) for value in given)


def _is_of_python(file: str) -> bool:
    return file.startswith(_LIBRARY) and not any(folder in file for folder in _INSTALLED)


def _package(module: str) -> str:
    return module.partition(".")[0]


def _module(function: object) -> str:
    inner = getattr(function, "func", function)
    named = str(getattr(inner, "__module__", None) or type(inner).__module__)
    if _package(named) != CORE:
        return named
    # `functools.wraps` gives a plugin's function the name of what it wraps.
    written = getattr(getattr(inner, "__func__", inner), "__globals__", {}).get("__name__", named)
    return named if _package(written) in sys.stdlib_module_names else str(written)


def _distribution(module: str) -> str:
    """The distribution with the plugin that a module belongs to, and its version; the module where there is none."""
    package = _package(module)
    for entry in entry_points(group=CORE):
        if entry.dist is not None and entry.dist.name and _package(entry.value.partition(":")[0]) == package:
            return f"{entry.dist.name} {entry.dist.version}"
    return module

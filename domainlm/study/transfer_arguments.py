"""The arguments of `domainlm.transfer`: what is of the wrong type is refused by its name, before anything is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, SupportsIndex

from domainlm.errors import UserError

_PATH = (str, os.PathLike)
_CALLED = "a function, or None"
_ALLOWED: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "base": ((*_PATH, NoneType), "a path, a name on the Hugging Face hub, or None for random weights"),
    "corpus": ((*_PATH, Mapping, Iterable), "a path, a list of paths, or a table as [corpus]"),
    "out": (_PATH, "the path of a folder"),
    "vocabulary": ((*_PATH, SupportsIndex, Mapping, NoneType), "a size, a path, a table as [vocabulary], or None"),
    "tasks": ((list, tuple), "a list of tables as [[tasks]]"),
    "general": ((*_PATH, Mapping, Iterable, NoneType), "a path, a list of paths, a table as [general], or None"),
    "grid": ((Mapping, NoneType), 'a table as [parallel], {"data": 2}, or None'),
    "settings": ((Mapping, NoneType), 'a table of dotted names and values, {"pretraining.max_tokens": 64}, or None'),
    "store": ((*_PATH, NoneType), "the path of a folder, or None"),
    "progress": ((Callable, NoneType), _CALLED),
    "cancelled": ((Callable, NoneType), _CALLED),
}


def check_arguments(**given: object) -> None:
    """Refuse arguments of the wrong type, and empty paths.

    Args:
        given: by name.

    Raises:
        UserError: there are such.
    """
    for name, value in given.items():
        types, allowed = _ALLOWED[name]
        if not isinstance(value, types) or isinstance(value, bool | bytes) or _is_empty_text(value):
            raise UserError("an argument of the wrong type", where=name, given=repr(value), allowed=allowed)


def _is_empty_text(value: object) -> bool:
    return isinstance(value, str) and not value


def paths_of(name: str, paths: Iterable[object]) -> list[object]:
    """The paths of an argument that has several.

    Raises:
        UserError: there is none, or something else among them.
    """
    found = list(paths)
    wrong = [path for path in found if not isinstance(path, _PATH) or _is_empty_text(path)]
    if wrong or not found:
        given = repr(wrong[0]) if wrong else "none"
        raise UserError("not a list of paths", where=name, given=given, allowed=_ALLOWED[name][1])
    return found

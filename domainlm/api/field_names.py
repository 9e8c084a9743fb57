"""Which fields a declaration has: Python's own words for a misspelled one name neither those nor the plugin."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from domainlm.errors import SpecError

ClassT = TypeVar("ClassT")


def with_known_fields(declared: type[ClassT]) -> type[ClassT]:
    """Let a dataclass raise `SpecError`, not `TypeError`, for fields that it does not have, lacks or is given unnamed.

    It stands above `dataclass`, whose fields are keyword-only.
    """
    changed: Any = declared
    made = [each for each in fields(changed) if each.init]
    names = [each.name for each in made]
    needed = [each.name for each in made if each.default is MISSING and each.default_factory is MISSING]
    make = changed.__init__

    @functools.wraps(make)
    def checked(self: object, *unnamed: object, **given: Any) -> None:  # noqa: ANN401 - as the fields are
        _check(declared.__name__, unnamed, given, names, needed)
        make(self, **given)

    changed.__init__ = checked
    return declared


def _check(
    declared: str, unnamed: Sequence[object], given: Mapping[str, object], names: Sequence[str], needed: Sequence[str]
) -> None:
    where = f"{declared} {given['name']!r}" if "name" in given else declared
    if unnamed:
        raise SpecError("fields are given by their names", where=where, given=repr(unnamed[0])[:200], allowed=names)
    for name in given:
        if name not in names:
            raise SpecError("no such field", where=where, given=name, allowed=names)
    missing = [name for name in needed if name not in given]
    if missing:
        raise SpecError(f"needs {' and '.join(missing)}", where=where, allowed=names)

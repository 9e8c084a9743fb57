"""Checks of the fields of specs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path

from domainlm.errors import SpecError


def check_positive(value: object, key: str, where: str, least: int = 1) -> None:
    """Raise `SpecError` unless `value` is a whole number from `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SpecError(f"wrong {key}", where=where, given=repr(value), allowed=f"a whole number from {least}")


def check_choice(value: object, choices: tuple[str, ...], key: str, where: str) -> None:
    """Raise `SpecError` unless `value` is one of `choices`."""
    if value not in choices:
        raise SpecError(f"wrong {key}", where=where, given=value, allowed=choices)


def check_callable(value: object, key: str, where: str, takes: tuple[str, ...]) -> None:
    """Raise `SpecError` unless `value` can be called, and with so many arguments, whatever it calls them."""
    wanted = f"a function: {key}({', '.join(takes)})"
    if not callable(value):
        raise SpecError(f"{key} must be callable", where=where, given=repr(value), allowed=wanted)
    try:
        signature = inspect.signature(value, follow_wrapped=False)  # that of a decorator's wrapper, which is called
    except (TypeError, ValueError):
        return  # some that are written in C do not say what they take
    try:
        signature.bind(*takes)
    except TypeError:
        name = getattr(value, "__name__", type(value).__name__)
        raise SpecError(
            f"{key} cannot be called as it will be", where=where, given=f"{name}{signature}", allowed=wanted
        ) from None


def check_absolute(value: object, key: str, where: str) -> None:
    """Raise `SpecError` unless `value` is a path that means the same from every folder."""
    if not isinstance(value, Path):
        raise SpecError(f"wrong {key}", where=where, given=repr(value), allowed="a pathlib.Path")
    if not value.is_absolute():
        raise SpecError(
            f"{key} would be looked for in the folder that domainlm is called from",
            where=where,
            given=str(value),
            allowed="an absolute path",
            remedy=f"write Path(__file__).parent / {value.as_posix()!r}, or what leads there from the module",
        )


def check_distinct(values: tuple[str, ...], key: str, where: str) -> None:
    """Raise `SpecError` where one stands there twice."""
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise SpecError(f"wrong {key}", where=where, given=f"{twice[0]!r} twice", allowed="each once")


def check_mapping(value: object, key: str, where: str) -> None:
    """Raise `SpecError` unless `value` is a mapping from texts."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise SpecError(f"wrong {key}", where=where, given=repr(value), allowed="a mapping from texts, as a dictionary")


def check_text(value: object, key: str, where: str) -> None:
    """Raise `SpecError` unless `value` is a text; it may be empty."""
    if not isinstance(value, str):
        raise SpecError(f"wrong {key}", where=where, given=repr(value), allowed="a text")


def check_strings(value: object, key: str, where: str) -> None:
    """Raise `SpecError` unless `value` is a tuple of non-empty texts."""
    if not isinstance(value, tuple) or not all(isinstance(entry, str) and entry for entry in value):
        raise SpecError(f"wrong {key}", where=where, given=repr(value), allowed="a tuple of non-empty strings")


def check_optional(value: object, wanted: type, key: str, where: str) -> None:
    """Raise `SpecError` unless `value` is a `wanted` or None."""
    if value is not None and not isinstance(value, wanted):
        raise SpecError(f"wrong {key}", where=where, given=repr(value), allowed=f"a {wanted.__name__} or None")

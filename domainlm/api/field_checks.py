"""Checks of the fields of specs."""

from __future__ import annotations

from domainlm.errors import SpecError


def check_positive(value: object, key: str, where: str) -> None:
    """Raise `SpecError` unless `value` is a whole number from 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SpecError(f"wrong {key}", where=where, given=repr(value), allowed="a whole number from 1")


def check_choice(value: object, choices: tuple[str, ...], key: str, where: str) -> None:
    """Raise `SpecError` unless `value` is one of `choices`."""
    if value not in choices:
        raise SpecError(f"wrong {key}", where=where, given=value, allowed=choices)


def check_callable(value: object, key: str, where: str) -> None:
    """Raise `SpecError` unless `value` can be called."""
    if not callable(value):
        raise SpecError(f"{key} must be callable", where=where, given=repr(value))


def check_strings(value: object, key: str, where: str) -> None:
    """Raise `SpecError` unless `value` is a tuple of non-empty texts."""
    if not isinstance(value, tuple) or not all(isinstance(entry, str) and entry for entry in value):
        raise SpecError(f"wrong {key}", where=where, given=repr(value), allowed="a tuple of non-empty strings")


def check_optional(value: object, wanted: type, key: str, where: str) -> None:
    """Raise `SpecError` unless `value` is a `wanted` or None."""
    if value is not None and not isinstance(value, wanted):
        raise SpecError(f"wrong {key}", where=where, given=repr(value), allowed=f"a {wanted.__name__} or None")

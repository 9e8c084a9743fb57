"""Names of the optimizer's tensors, `PARAMETER|KEY`, which depend neither on the order of parameters nor on ranks."""

from __future__ import annotations

from collections.abc import Iterable

_SEPARATOR = "|"


def state_name(parameter: str, key: str) -> str:
    """The name of what the optimizer keeps of a parameter under a key, such as "exp_avg"."""
    return f"{parameter}{_SEPARATOR}{key}"


def split_state_name(name: str) -> tuple[str, str]:
    """Parameter and key of such a name."""
    parameter, _, key = name.rpartition(_SEPARATOR)
    return parameter, key


def names_by_parameter(names: Iterable[str]) -> dict[str, list[str]]:
    """Such names by their parameter."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(split_state_name(name)[0], []).append(name)
    return found

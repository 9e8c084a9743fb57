"""Tables whose keys are dotted keys of a recipe: what an arm sets, a scale changes, an axis varies."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from domainlm.recipe.toml_text import toml_key

Table = dict[str, Any]
Keys = tuple[str, ...]
"""A dotted key, split; a part may itself hold dots, as in `study.axes."pretraining.num_steps"`."""
AXES: Keys = ("study", "axes")
ARMS: Keys = ("study", "arms")
_SCALES: Keys = ("scales",)
_FREE: frozenset[Keys] = frozenset(
    {ARMS, ("report", "layout", "where"), ("report", "layout", "headings"), ("requires", "plugins"), ("variables",)}
)
"""Tables whose keys are names, which may hold dots."""


def split_key(text: str) -> Keys:
    """Split a dotted key as TOML does; text that is none is split at its dots, so that checks can name it."""
    return toml_keys(text) or tuple(text.split("."))


def toml_keys(text: str) -> Keys:
    """Split a dotted key as TOML does; empty where the text is none: "#x", "x = 1, y"."""
    try:
        node: Any = tomllib.loads(f"table = {{{text} = 0}}")["table"]  # so a "#" or a line end in it is an error
    except tomllib.TOMLDecodeError:
        return ()
    keys = []
    while isinstance(node, dict):
        if len(node) != 1:
            return ()
        ((part, node),) = node.items()
        keys.append(part)
    return tuple(keys)


def join_keys(keys: Keys) -> str:
    """The counterpart of `split_key`."""
    return ".".join(map(toml_key, keys))


def leaves(table: Mapping[str, Any], below: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Every value of such a table with its whole key; nested tables are followed, but study.axes is one value."""
    for key, value in table.items():
        keys = (*below, key) if below == _SCALES or _within_scale(below) in _FREE else (*below, *split_key(key))
        if isinstance(value, dict) and value and _within_scale(keys) != AXES:
            yield from leaves(value, keys)
        else:
            yield keys, value


def _within_scale(keys: Keys) -> Keys:
    """A key below scales.NAME, as it stands without that."""
    return keys[2:] if keys[:1] == _SCALES else keys


def map_study_paths(tables: Table, change: Callable[[Table], None]) -> None:
    """Apply `change` in place to the paths among what the axes, arms and scales of a recipe set.

    Args:
        tables: of the recipe; what has another shape than the schema asks for is passed over.
        change: changes the paths of ordinary tables in place.
    """
    study, scales = tables.get("study"), tables.get("scales")
    if isinstance(study, dict):
        _map_axes(study.get("axes"), change)
        _map_arms(study.get("arms"), change)
    if isinstance(scales, dict):
        for scale in scales.values():
            _map_table(scale, (), change)


def _map_table(table: object, below: Keys, change: Callable[[Table], None]) -> None:
    if not isinstance(table, dict):
        return
    for key, value in table.items():
        keys = (*below, *split_key(key))
        if keys == AXES:
            _map_axes(value, change)
        elif keys == ARMS:
            _map_arms(value, change)
        elif isinstance(value, dict):
            _map_table(value, keys, change)
        else:
            table[key] = _mapped(keys, value, change)


def _map_axes(axes: object, change: Callable[[Table], None]) -> None:
    if isinstance(axes, dict):
        for key, values in axes.items():
            if isinstance(values, list):
                axes[key] = [_mapped(split_key(key), value, change) for value in values]


def _map_arms(arms: object, change: Callable[[Table], None]) -> None:
    if isinstance(arms, list):
        for arm in arms:
            if isinstance(arm, dict):
                _map_table(arm.get("set"), (), change)
    elif isinstance(arms, dict):  # in a scale: by their names
        for table in arms.values():
            _map_table(table, (), change)


def _mapped(keys: Keys, value: object, change: Callable[[Table], None]) -> object:
    """The value, changed as it would be where its key stands; a place in a list serves as a key."""
    nested: Any = value
    for part in reversed(keys):
        nested = {part: nested}
    change(nested)
    for part in keys:
        nested = nested[part]
    return nested

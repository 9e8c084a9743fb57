"""`--set dotted.key=value`: parse, and lay over a recipe's tables."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from typing import Any

from domainlm.errors import RecipeError
from domainlm.recipe.dotted import Keys, toml_keys
from domainlm.recipe.toml_source import Table


def parse_override(text: str) -> tuple[Keys, Any]:
    """Split `key=value`; the value is read as TOML where it is TOML, and as plain text otherwise.

    Raises:
        RecipeError: no "=", or what stands before it is no key.
    """
    key, separator, raw = text.partition("=")
    keys = toml_keys(key) if separator else ()
    if not keys:
        raise RecipeError(
            "not an override", where="--set", given=text, allowed="dotted.key=value, as in pretraining.num_steps=100"
        )
    try:
        return keys, tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return keys, raw.strip()


def with_values(tables: Table, values: Mapping[Keys, Any], where: str) -> Table:
    """Return a copy of `tables` with each key set; a number in a key is a place in a list.

    Raises:
        RecipeError: the key goes through something that is not a table.
    """
    changed = copy.deepcopy(tables)
    for keys, value in values.items():
        _set(changed, keys, value, where)
    return changed


def _set(tables: Table, parts: Keys, value: object, where: str) -> None:
    node: Any = tables
    dotted = ".".join(parts)
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        place: str | int
        if isinstance(node, list):
            place = _place(node, part, dotted, where)
        elif isinstance(node, dict):
            place = part
            if not last:
                node.setdefault(part, {})
        else:
            raise RecipeError(
                f"{'.'.join(parts[:depth])} is a value, not a table",
                where=where,
                given=dotted,
                remedy="shorten the key",
            )
        if last:
            node[place] = copy.deepcopy(value)
        else:
            node = node[place]


def _place(node: list[Any], part: str, dotted: str, where: str) -> int:
    if not part.isdecimal() or int(part) >= len(node):
        raise RecipeError(
            f"no place {part!r} in this list", where=where, given=dotted, allowed=f"a number from 0 to {len(node) - 1}"
        )
    return int(part)

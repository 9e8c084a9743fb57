"""JSON values as TOML text, for reading: tables under headings, arrays of tables, values on one line.

The standard library reads TOML and does not write it. What is written here reads back as the same values, without
those that are None, which TOML has no word for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from domainlm.recipe.toml_text import toml_text

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def dump_toml(table: Mapping[str, object]) -> str:
    """Return `table` as TOML; of a value that is not JSON, its text."""
    return "\n".join(_table_lines(table, ())).strip() + "\n"


def _table_lines(table: Mapping[str, object], path: tuple[str, ...]) -> Iterator[str]:
    entries = {key: value for key, value in table.items() if value is not None}
    for key, value in entries.items():
        if not isinstance(value, Mapping) and not _is_table_array(value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in entries.items():
        inner = (*path, _key(key))
        for opening, closing, tables in _sub_tables(value):
            yield f"\n{opening}{'.'.join(inner)}{closing}"
            yield from _table_lines(tables, inner)


def _sub_tables(value: object) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    if isinstance(value, Mapping):
        yield "[", "]", value
    elif isinstance(value, list) and _is_table_array(value):
        yield from (("[[", "]]", entry) for entry in value)


def _is_table_array(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else toml_text(key)


def _value(value: object) -> str:
    return toml_text(_without_none(value))


def _without_none(value: object) -> object:
    if isinstance(value, list):
        return [_without_none(entry) for entry in value if entry is not None]
    if isinstance(value, Mapping):
        return {key: _without_none(entry) for key, entry in value.items() if entry is not None}
    return value

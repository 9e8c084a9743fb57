"""Values and tables as TOML text: the counterpart of reading a recipe, or a value after `--set`.

The standard library reads TOML and does not write it. What is written here reads back as the same values, without
those that are None, which TOML has no word for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(value: object) -> str:
    """Write text, numbers, truth values, lists and tables on one line; anything else as the text it gives."""
    if hasattr(value, "tolist"):  # numbers and arrays of numpy, whose floats are Python's but print otherwise
        value = value.tolist()
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case Mapping():
            return "{" + ", ".join(f"{toml_text(str(key))} = {toml_text(entry)}" for key, entry in value.items()) + "}"
        case Sequence() if not isinstance(value, str):
            return f"[{', '.join(toml_text(entry) for entry in value)}]"
        case _:
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(key: str) -> str:
    """Write one part of a dotted key, in quotes where TOML asks for them."""
    return key if _BARE_KEY.fullmatch(key) else toml_text(key)


def dump_toml(table: Mapping[str, object]) -> str:
    """Return `table` as TOML, for reading: tables under headings, arrays of tables, values on one line.

    Of a value that is not JSON, its text is written.
    """
    return "\n".join(_table_lines(table, ())).strip() + "\n"


def _table_lines(table: Mapping[str, object], path: tuple[str, ...]) -> Iterator[str]:
    entries = {key: value for key, value in table.items() if value is not None}
    for key, value in entries.items():
        if not isinstance(value, Mapping) and not _is_table_array(value):
            yield f"{toml_key(key)} = {toml_text(_without_none(value))}"
    for key, value in entries.items():
        inner = (*path, toml_key(key))
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


def _without_none(value: object) -> object:
    if isinstance(value, list):
        return [_without_none(entry) for entry in value if entry is not None]
    if isinstance(value, Mapping):
        return {key: _without_none(entry) for key, entry in value.items() if entry is not None}
    return value

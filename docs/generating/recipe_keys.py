"""Every key of a recipe."""

from __future__ import annotations

from collections.abc import Iterable

from domainlm.cli.recipe_keys import Key, describe_keys
from generating.tables import table


def recipe_keys() -> str:
    """Every key of a recipe, a section for each table."""
    keys = list(describe_keys())
    inside = {key.name: [other for other in keys if other.name.rpartition(".")[0] == key.name] for key in keys}
    for key in keys:
        if key.type.startswith("list of table"):
            inside[key.name] = [other for other in keys if other.name.rpartition(".")[0] == f"{key.name}.N"]
    top = [key for key in keys if "." not in key.name]
    parts = ["## Top-level keys\n", _key_table([key for key in top if not inside[key.name]], "")]
    for key in keys:
        if inside[key.name]:
            title = f"[[{key.name}]]" if key.type.startswith("list of table") else f"[{key.name.replace('.N.', '.')}]"
            prefix = f"{key.name}.N." if title.startswith("[[") else f"{key.name}."
            rows = [entry for entry in inside[key.name] if not inside[entry.name]]
            parts += [f"## `{title}`\n", f"{_presence(key)}{key.help}\n"]
            parts += [_key_table(rows, prefix)] if rows else []
    return "\n".join(parts)


def _presence(key: Key) -> str:
    if key.default is None:
        return "Required. "
    return "Optional. " if key.default == "none" else ""


def _key_table(keys: Iterable[Key], prefix: str) -> str:
    rows = [(key.name.removeprefix(prefix), key.type, _default(key), key.help) for key in keys]
    return table(("key", "type", "default", "meaning"), rows)


def _default(key: Key) -> str:
    if key.default is None:
        return "required"
    return f"`{key.default}`" if key.default != "none" else "none"

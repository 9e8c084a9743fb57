"""A value as TOML writes it: the counterpart of reading one after `--set`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence


def toml_text(value: object) -> str:
    """Write text, numbers, truth values, lists and tables on one line; anything else as the text it gives."""
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

"""A reference table as JSON values, as results.json keeps it, so that a report can be made without the plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from domainlm.api import ReferenceTable


def reference_as_dict(table: ReferenceTable) -> dict[str, Any]:
    """Return all that a reference table says; `load_results` reads it back as the same table."""
    described: dict[str, Any] = _plain(table)
    return described


def _plain(value: object) -> Any:  # noqa: ANN401 - a value of any JSON type
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return value

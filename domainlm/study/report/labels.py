"""Texts of results, fit to be shown."""

from __future__ import annotations


def clean(text: str) -> str:
    """Return `text` on one line, without control characters: fit for a table, a plot label and XML."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())

"""Halves of surrogate pairs, which Python's texts may hold and no vocabulary reads."""

from __future__ import annotations


def without_surrogates(text: str) -> str:
    """The text with "?" for each half of a surrogate pair, which moves no offset."""
    return text.encode(errors="replace").decode()

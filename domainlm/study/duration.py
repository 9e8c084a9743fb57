"""Durations as people say them, the same wherever one is printed."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Print a time: "3.2 s", "4 min 10 s", "2 h 5 min"."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"

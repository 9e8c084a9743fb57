"""Output of commands: to a file, whole or absent, or to standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

STANDARD_STREAM = "-"


@contextmanager
def open_output(target: str, *, flushes: bool = False) -> Iterator[Callable[[str], object]]:
    """Give a function that writes text; a file appears under its name when all is written, or not at all.

    Args:
        target: a file, or "-" for standard output.
        flushes: hand on each piece at once.
    """
    if target == STANDARD_STREAM:
        yield lambda text: print(text, end="", flush=flushes, file=sys.stdout)
        return
    path = Path(target)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("w", encoding="utf-8") as stream:
            yield stream.write
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)

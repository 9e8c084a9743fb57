"""Small JSON files, whole or absent, with the same bytes for the same content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from domainlm.text.writing import whole_file


def write_json(path: Path, content: object) -> None:
    """Write readable JSON."""
    with whole_file(path) as stream:
        stream.write(f"{json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)}\n".encode())


def write_json_lines(path: Path, records: Iterable[object]) -> None:
    """Write one JSON value a line."""
    with whole_file(path) as stream:
        for record in records:
            stream.write(f"{json.dumps(record, ensure_ascii=False, allow_nan=False)}\n".encode())


def file_digest(path: Path) -> str:
    """The file's sha256, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""Whole files or none: written beside their place and moved there when complete."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

NOTICE = "Synthetic sample written by domainlm-biomegatron: all names, facts and records are invented."
TITLE_MARK = "[Synthetic] "  # begins every title, so that a record says so wherever it ends up
FIRST_PMID = 99_000_001  # no real PMID is that high


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text, gzipped where the name ends in `.gz`; the same text gives the same bytes."""
    content = text.encode("utf-8")
    if path.suffix == ".gz":
        buffer = io.BytesIO()
        with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0) as file:
            file.write(content)
        content = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path

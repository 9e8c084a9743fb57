"""What records are called that have no name of their own."""

from __future__ import annotations

from pathlib import Path


def file_stem(path: Path) -> str:
    """The file's name without `.gz` and without its last ending: "train" for train.tsv.gz."""
    name = path.name.removesuffix(".gz")
    return Path(name).stem or name

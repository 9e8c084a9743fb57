"""Folders that appear whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domainlm.errors import StorageError


@contextmanager
def new_folder(out: Path, *, force: bool = False, source: Path | None = None) -> Iterator[Path]:
    """Give a folder to write into, which is called `out` once the block has ended well, and removed otherwise.

    Args:
        out: its name.
        force: replace what is there.
        source: what the new folder is made of, which must outlast it.

    Raises:
        StorageError: something stands there already, or it is the working folder, `source` or one that these lie in.
    """
    if Path.cwd().is_relative_to(out.resolve()):
        raise StorageError(
            "the working folder lies in it, and would be replaced", where=out, remedy="choose a new folder in it"
        )
    if source is not None and source.resolve().is_relative_to(out.resolve()):
        raise StorageError(
            "what it is made of lies in it, and would be replaced", where=out, remedy="choose another place"
        )
    if out.exists() and not force:
        raise StorageError(
            "is there already", where=out, remedy="choose another place, or replace it: --force, force=True"
        )
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
    except (FileExistsError, NotADirectoryError):
        raise StorageError("lies in a file, not in a folder", where=out, remedy="choose another place") from None
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if out.is_dir():
        shutil.rmtree(out)
    elif out.exists():
        out.unlink()
    partial.rename(out)

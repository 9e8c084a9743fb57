"""The folder that a corpus is built into: claimed before anything is written, so that nobody's files are lost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from domainlm.errors import StorageError
from domainlm.text.home import with_home
from domainlm.text.preparation.prepare import holds_parts

MANIFEST_FILE = "manifest.json"
WORK_FOLDER = "work"
SAMPLES_FOLDER = "samples"
_MARK = ".unfinished-corpus"


def claim_folder(out: Path, inputs: Iterable[Path] = ()) -> None:
    """Mark `out`, made where it is not there, as a folder that a corpus is built into.

    Args:
        out: a new or empty folder, or one that a build has claimed and not finished.
        inputs: what is read; none may lie in `out`, but for samples that the build itself writes.

    Raises:
        StorageError: a finished corpus, other files or an input are there; nothing is written then.
    """
    if (out / MANIFEST_FILE).exists():
        raise StorageError(
            "holds a finished corpus", where=out, remedy="choose another folder with --out, or remove it"
        )
    place = out.resolve()
    for path in inputs:
        found = path.resolve()
        if found.is_relative_to(place) and not found.is_relative_to(place / SAMPLES_FOLDER):
            raise StorageError(
                "an input lies in the folder that the corpus is written to",
                where=out,
                given=str(path),
                remedy="choose a new folder with --out",
            )
    if not _is_claimed(out) and out.is_dir() and any(out.iterdir()):
        raise StorageError(
            "is not empty, and no corpus was begun in it",
            where=out,
            given=min(path.name for path in out.iterdir()),
            remedy="choose a new folder with --out",
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).touch()


def check_outside(out: Path, given: Iterable[str]) -> None:
    """Refuse a folder within one that is read: the next time, what is written there now would be read as well.

    Args:
        out: where the corpus is to be written.
        given: files, folders and patterns to read.

    Raises:
        StorageError: `out` lies in one of the folders.
    """
    place = out.resolve()
    for name in given:
        folder = with_home(name)
        if folder.is_dir() and place.is_relative_to(folder.resolve()):
            raise StorageError(
                "lies in a folder that is read, and would be read itself the next time",
                where=out,
                given=name,
                remedy="choose a folder elsewhere with --out, or name the files to read by a pattern",
            )


def release_folder(out: Path) -> None:
    """Take the mark off a folder whose corpus is finished."""
    (out / _MARK).unlink(missing_ok=True)


def _is_claimed(out: Path) -> bool:
    """Shards, and builds of versions without the mark, are known by the plan of their parts."""
    return (out / _MARK).exists() or holds_parts(out / WORK_FOLDER)

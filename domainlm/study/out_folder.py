"""Whose an output folder is: a run writes over results of its own recipe, and over nothing else."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from domainlm.errors import StorageError
from domainlm.files import read_json, write_json
from domainlm.study.plan import PlannedRun

_MARK = ".recipe.json"
FILES = ("results.json", "cost.json", "report.md", "report.html", "report.tex", "scores.csv")
"""What a run writes over."""
FOLDERS = ("logs", "models", "tables")
"""Where it writes over what has the names of its files, beside which other files may lie."""
_WORKERS, _ARTIFACTS = "workers", "artifacts"


def check_out_folder(out: Path, planned: PlannedRun) -> None:
    """Refuse an output folder in which a run would write over what is not its own.

    Raises:
        StorageError: `out` holds the results of another recipe, or no run's and yet files or folders of the names that
            a run writes; or an input of the recipe lies in a folder that it writes into.
    """
    name, owner = planned.resolved.loaded.recipe.name, _owner(out)
    if owner is not None and owner != name:
        raise StorageError(
            f"holds the results of the recipe {owner!r}",
            where=out,
            given=name,
            remedy="choose another folder with --out (--store shares finished work between folders)",
        )
    if owner is None:
        found = [file for file in FILES if _is_there(out / file)]
        found += [f"{folder}/" for folder in FOLDERS if _holds_something(out / folder)]
        if found:
            raise StorageError(
                "holds what no run has written here, and a run would write over it",
                where=out,
                given=", ".join(found),
                remedy="choose another folder with --out, a new one say",
            )
    _check_inputs(out, planned)


def mark_out_folder(out: Path, name: str) -> None:
    """Remember whose folder this is, unless it is known."""
    if _owner(out) is None:
        write_json(out / _MARK, {"name": name})


def has_owner(out: Path) -> bool:
    """Whether a run has begun in a folder."""
    return _owner(out) is not None


def _owner(out: Path) -> str | None:
    """Name of the recipe whose results stand there; None where no run has begun there."""
    try:
        return str(read_json(out / _MARK)["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _holds_something(folder: Path) -> bool:
    """Whether a folder has entries, or is none at all."""
    return any(folder.iterdir()) if folder.is_dir() else _is_there(folder)


def _check_inputs(out: Path, planned: PlannedRun) -> None:
    """Refuse inputs that lie where the run writes."""
    has_artifacts = planned.store.root.resolve() == (out / _ARTIFACTS).resolve()
    names = (*FOLDERS, _WORKERS, *((_ARTIFACTS,) if has_artifacts else ()))
    places = [folder for name in names for folder in _spellings(out / name)]
    here = planned.resolved.loaded.path.absolute().parent
    for file in planned.lock["files"]:
        if _is_below(here / file, places):
            raise StorageError(
                "an input of the recipe lies where the run would write",
                where=out,
                given=file,
                allowed=f"any place but {', '.join(f'{name}/' for name in names)} of the output folder",
                remedy="choose another folder with --out, or put the input elsewhere",
            )


def _is_below(path: Path, places: Collection[Path]) -> bool:
    return any(each.is_relative_to(place) for each in _spellings(path) for place in places)


def _spellings(path: Path) -> set[Path]:
    """A path as it is written and as links lead."""
    return {Path(os.path.normpath(path.absolute())), path.resolve()}

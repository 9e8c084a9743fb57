"""Keeps two different runs out of one work folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from domainlm.api import Split, TaskSpec
from domainlm.errors import StorageError
from domainlm.files import sha256_of, write_json
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.scores import Json
from domainlm.tasks.signature import data_hash

_FILE = "run.json"


def describe_run(
    task: TaskSpec, files: Mapping[Split, tuple[Path, ...]], settings: FinetuningSettings, seed: int, start: Path
) -> dict[str, Json]:
    """Everything besides the machine that decides the bytes of a run; input files by their hashes."""
    return {
        "task": task.reference,
        "types": list(task.types),
        "files": {split: _digests(task, paths) for split, paths in files.items() if paths},
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "start": {path.name: sha256_of(path) for path in sorted(start.iterdir()) if path.is_file()},
    }


def data_hashes(
    task: TaskSpec, files: Mapping[Split, tuple[Path, ...]], settings: FinetuningSettings
) -> dict[Split, str]:
    """Short hash of what each split is read from and by: its files, the spec with its version, the labels it names.

    Where dev and test are not scored whole, how much of them is part of it.
    """
    limit = settings.max_scored_examples
    reader: list[Json] = [task.reference, list(task.types), *([] if limit is None else [limit])]
    return {split: data_hash([reader, _digests(task, paths)]) for split, paths in files.items()}


def _digests(task: TaskSpec, paths: tuple[Path, ...]) -> list[Json]:
    """Of every file that is read, companions included."""
    return [sha256_of(each) for path in paths for each in task.with_companions(path)]


def claim_folder(work: Path, run: Mapping[str, Json]) -> None:
    """Note in the folder which run it belongs to.

    Raises:
        StorageError: it belongs to another one.
    """
    path = work / _FILE
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        write_json(path, run)
        return
    except ValueError:
        found = {}
    different = [key for key in run if not isinstance(found, dict) or found.get(key) != run[key]]
    if different:
        raise StorageError(
            "the folder holds another run",
            where=work,
            given=f"other {', '.join(different)}",
            remedy="choose another folder, or delete this one",
        )

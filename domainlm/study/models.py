"""The models of a run, copied to where their user looks for them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from domainlm.errors import StorageError, storage_error
from domainlm.files import read_json, write_json
from domainlm.study.graph import Graph
from domainlm.study.results import Artifacts
from domainlm.study.store import Artifact

LANGUAGE_MODEL = "language-model"
"""What the folder of a cell's language model is called."""
_WRITTEN = ".written.json"
"""Beside the cells: the model folders that a run has copied, each with a hash of its files, so that a later one removes
those and nothing else, and copies only what has changed."""
_MODEL = "model/"
_HASH_LENGTH = 8


def copy_models(graph: Graph, artifacts: Artifacts, folder: Path) -> None:
    """Copy every cell's language model and fine-tuned models below `folder`.

    `CELL/language-model/` and `CELL/DATASET-seed-N/`; a folder that is there already is replaced whole, unless it was
    copied from these files and has them all, by their sizes. One that an earlier run copied and this one does
    not have is removed. Names that would be the same end in a hash.

    Raises:
        StorageError: a model cannot be written, or somebody else's folder stands where it goes.
    """
    found = dict(_models(graph, artifacts))
    written, is_known = _written(folder), (folder / _WRITTEN).is_file()
    for name in written.keys() - found.keys():
        _remove(folder / name)
    if not found:
        (folder / _WRITTEN).unlink(missing_ok=True)
        return
    try:
        noted = {name: written.get(name, "") for name in sorted(found)}
        for name, (digest, model) in found.items():
            if is_known and name not in written and (folder / name).exists():
                raise StorageError(
                    "a folder that no run has written stands where a model goes",
                    where=folder / name,
                    remedy="move it elsewhere and run the same command again: only models are still to be copied",
                )
            if noted[name] != digest or not _is_intact(model, folder / name):
                write_json(folder / _WRITTEN, noted | {name: ""})
                _copy(model, folder / name)
                noted[name] = digest
        write_json(folder / _WRITTEN, noted)
    except OSError as error:
        raise storage_error(error, folder) or error from error


def copied_models(folder: Path) -> list[Path]:
    """The model folders that the last run copied below `folder`, by cell and name."""
    return [folder / name for name in sorted(_written(folder))]


def _models(graph: Graph, artifacts: Artifacts) -> Iterator[tuple[str, tuple[str, Path]]]:
    """By the name of its folder each model, with a hash of its files."""
    cells = {cell_identity(cell.definition.varied): cell.definition.label for cell in graph.cells}
    names = _unique_names(cells)
    for cell in graph.cells:
        above = names[cell_identity(cell.definition.varied)]
        if cell.model.key not in artifacts:
            continue
        yield f"{above}/{LANGUAGE_MODEL}", _model_of(artifacts[cell.model.key])
        datasets = _unique_names({stage.name: stage.name for stage in cell.finetuning})
        for stage in (each for each in cell.finetuning if each.key in artifacts):
            yield f"{above}/{datasets[stage.name]}-seed-{stage.seed}", _model_of(artifacts[stage.key])


def _model_of(artifact: Artifact) -> tuple[str, Path]:
    """A hash of the model's files, by the manifest, and its folder: a key may be made again, in other bits."""
    files = {name: facts["sha256"] for name, facts in artifact.manifest["files"].items() if name.startswith(_MODEL)}
    text = json.dumps(files, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest(), artifact.folder / _MODEL


def _written(folder: Path) -> dict[str, str]:
    """What an earlier run noted, by name the hash of the files; nothing that could lead elsewhere.

    The hash is empty where copying has not ended, and where the note is of before it was in it: a list of names.
    """
    try:
        noted = read_json(folder / _WRITTEN)
    except (OSError, ValueError):
        return {}
    if not isinstance(noted, dict):
        noted = {name: "" for name in noted if isinstance(name, str)} if isinstance(noted, list) else {}
    return {
        name: str(digest)
        for name, digest in noted.items()
        if len(parts := PurePosixPath(name).parts) == 2 and not {"/", ".."} & set(parts)
    }


def _remove(model: Path) -> None:
    """Remove a model folder, and that of its cell where nothing else is in it."""
    if model.is_dir() and not model.is_symlink() and not model.parent.is_symlink():
        shutil.rmtree(model)
        with contextlib.suppress(OSError):  # somebody else's files are there too
            model.parent.rmdir()


def _is_intact(model: Path, folder: Path) -> bool:
    """Whether a folder has all files of a model, by their sizes; it may have others, too."""
    sizes = {path.relative_to(model): path.stat().st_size for path in model.rglob("*") if path.is_file()}
    return all((folder / name).is_file() and (folder / name).stat().st_size == size for name, size in sizes.items())


def _copy(model: Path, folder: Path) -> None:
    """Copy whole or not at all. No links: who changes a model here must not change the artifact."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        for path in sorted(model.rglob("*")):  # shutil.copytree would hide what went wrong
            place = temporary / path.relative_to(model)
            if path.is_dir():
                place.mkdir()
            else:
                shutil.copy2(path, place)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def folder_name(label: str) -> str:
    """`label` as the name of a folder: letters, digits and `._=-`, everything else an underscore."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "_", label).strip("._") or "model"


def cell_identity(varied: Mapping[str, Any]) -> str:
    """What tells a cell from all others: its varied values as text."""
    return json.dumps(dict(varied), sort_keys=True)


def possible_names(label: str, identity: str) -> tuple[str, str]:
    """The folder's name where no other is like it, and where one is."""
    name = folder_name(label)
    return name, f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:_HASH_LENGTH]}"


def _unique_names(labels: Mapping[str, str]) -> dict[str, str]:
    """By identity the name of a folder; some file systems do not tell capital letters from small ones."""
    names = {identity: possible_names(label, identity) for identity, label in labels.items()}
    uses = Counter(alone.casefold() for alone, _ in names.values())
    return {identity: alone if uses[alone.casefold()] == 1 else among for identity, (alone, among) in names.items()}

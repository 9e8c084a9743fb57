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

from domainlm.files import read_json, write_json
from domainlm.study.graph import Graph
from domainlm.study.results import Artifacts

LANGUAGE_MODEL = "language-model"
"""What the folder of a cell's language model is called."""
_WRITTEN = ".written.json"
"""Beside the cells: the model folders that a run has copied, so that a later one removes those and nothing else."""
_HASH_LENGTH = 8


def copy_models(graph: Graph, artifacts: Artifacts, folder: Path) -> None:
    """Copy every cell's language model and fine-tuned models below `folder`.

    `CELL/language-model/` and `CELL/DATASET-seed-N/`; a folder that is there already is replaced whole, and one that an
    earlier run copied and this one does not have is removed. Names that would be the same end in a hash.
    """
    found = dict(_models(graph, artifacts))
    for name in _written(folder):
        if name not in found:
            _remove(folder / name)
    if found:
        write_json(folder / _WRITTEN, sorted(found))
    else:
        (folder / _WRITTEN).unlink(missing_ok=True)
    for name, model in found.items():
        _copy(model, folder / name)


def copied_models(folder: Path) -> list[Path]:
    """The model folders that the last run copied below `folder`, by cell and name."""
    return [folder / name for name in sorted(_written(folder))]


def _models(graph: Graph, artifacts: Artifacts) -> Iterator[tuple[str, Path]]:
    cells = {cell_identity(cell.cell.cell.varied): cell.cell.cell.label for cell in graph.cells}
    names = _unique_names(cells)
    for cell in graph.cells:
        above = names[cell_identity(cell.cell.cell.varied)]
        if cell.model.key not in artifacts:
            continue
        yield f"{above}/{LANGUAGE_MODEL}", artifacts[cell.model.key].folder / "model"
        datasets = _unique_names({stage.name: stage.name for stage in cell.finetuning})
        for stage in (each for each in cell.finetuning if each.key in artifacts):
            yield f"{above}/{datasets[stage.name]}-seed-{stage.seed}", artifacts[stage.key].folder / "model"


def _written(folder: Path) -> list[str]:
    """What an earlier run noted; nothing that could lead elsewhere."""
    try:
        names = read_json(folder / _WRITTEN)
    except (OSError, ValueError):
        return []
    texts = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return [name for name in texts if len(parts := PurePosixPath(name).parts) == 2 and not {"/", ".."} & set(parts)]


def _remove(model: Path) -> None:
    """Remove a model folder, and that of its cell where nothing else is in it."""
    if model.is_dir() and not model.is_symlink() and not model.parent.is_symlink():
        shutil.rmtree(model)
        with contextlib.suppress(OSError):  # somebody else's files are there too
            model.parent.rmdir()


def _copy(model: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(model, temporary)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


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

"""The lock record: everything a run used, by version and hash."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from domainlm import __version__
from domainlm.api import Spec
from domainlm.plugin.registry import Registry
from domainlm.recipe.resolved import MeasuredCell, Resolved, ResolvedCell, ResolvedTask
from domainlm.recipe.schema import Recipe
from domainlm.recipe.toml_source import relate_paths, relative_path

_PACKAGES = (
    "domainlm",
    "torch",
    "fairscale",
    "tokenizers",
    "safetensors",
    "numpy",
    "pluggy",
    "pydantic",
)


def lock_record(
    resolved: Resolved, registry: Registry, hash_of: Callable[[Path], str], hardware: Mapping[str, Any]
) -> dict[str, Any]:
    """What this run uses, as JSON values; the same for the same recipe, data, software and kind of hardware.

    Args:
        resolved: the recipe, names and files found.
        registry: says which plugin gave each spec.
        hash_of: gives the sha256 of a file.
        hardware: kind of hardware, as in the identity of trained artifacts.
    """
    folder = resolved.loaded.path.absolute().parent
    return {
        "python": platform.python_version(),
        "scale": resolved.loaded.recipe.scale or "",
        "packages": {"domainlm": __version__}
        | {name: installed for name in _PACKAGES if (installed := _version(name)) is not None},
        "hardware": dict(hardware),
        "specs": _specs(resolved, registry),
        "files": {
            os.path.relpath(path, folder): {"sha256": hash_of(path), "bytes": path.stat().st_size}
            for path in sorted(set(_files(resolved)))
        },
    }


def with_defaults(recipe: Recipe) -> dict[str, Any]:
    """A recipe with its defaults, as JSON values.

    Of a task's own fine-tuning settings only those that the recipe sets: the others are its spec's or `[finetuning]`'s.
    """
    tables: dict[str, Any] = recipe.model_dump(mode="json")
    for table, task in zip(tables["tasks"], recipe.tasks, strict=True):
        if task.finetuning is not None:
            table["finetuning"] = task.finetuning.model_dump(mode="json", exclude_unset=True)
    return tables


def portable_recipe(resolved: Resolved) -> dict[str, Any]:
    """The recipe as it was run, as `with_defaults` says it; paths relative to the recipe's folder."""
    folder = resolved.loaded.path.absolute().parent
    tables = with_defaults(resolved.loaded.recipe)
    for key in ("num_workers", "slurm"):  # who works changes nothing of what comes out
        del tables["runtime"][key]
    relate_paths(tables, folder)
    tables["scales"] = {name: table for name, table in tables["scales"].items() if name == tables["scale"]}
    tables["variables"] = {name: relative_path(value, folder) for name, value in tables["variables"].items()}
    return tables


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _specs(resolved: Resolved, registry: Registry) -> dict[str, dict[str, Any]]:
    used = {spec.name: spec for cell in resolved.cells for spec in _cell_specs(cell)}
    used |= {spec.name: spec for cell in resolved.measured for spec in _measured_specs(cell)}
    if resolved.reference is not None:
        used[resolved.reference.name] = resolved.reference
    return {
        name: {"version": spec.version, "provider": str(registry.provider(spec))} for name, spec in sorted(used.items())
    }


def _cell_specs(cell: ResolvedCell) -> Iterator[Spec]:
    yield from (corpus.spec for corpus in cell.corpora)
    if cell.general is not None:
        yield cell.general.spec
    yield cell.vocabulary.spec
    if cell.size_is_declared:
        yield cell.size
    for task in cell.tasks:
        yield task.spec


def _measured_specs(cell: MeasuredCell) -> Iterator[Spec]:
    yield from (corpus.spec for corpus in cell.corpora)
    if cell.found_vocabulary is not None:
        yield cell.vocabulary.spec
    yield from (task.spec for task in cell.tasks)


def _files(resolved: Resolved) -> Iterator[Path]:
    yield from resolved.loaded.source.files
    for cell in resolved.cells:
        for corpus in cell.corpora:
            yield from corpus.files
        if cell.vocabulary.file is not None:
            yield cell.vocabulary.file
        if cell.general is not None:
            yield from cell.general.files
        if cell.start is not None:
            yield from (*cell.start.files, cell.start.vocabulary)
        for task in cell.tasks:
            yield from _task_files(task)
    for measured in resolved.measured:
        yield from (file for corpus in measured.corpora for file in corpus.files)
        if measured.found_vocabulary is not None and measured.vocabulary.file is not None:
            yield measured.vocabulary.file
        yield from (file for task in measured.tasks for file in _task_files(task))


def _task_files(task: ResolvedTask) -> Iterator[Path]:
    for files in task.files.values():
        yield from files
    yield from task.companions()

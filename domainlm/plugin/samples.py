"""The files of a synthetic sample, as a plugin's writer returns them: checked, since any code may be behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from domainlm.api import SPLITS, CorpusSpec, TaskSpec
from domainlm.api.failures import blamed
from domainlm.api.owners import owner_of, place_of
from domainlm.errors import PluginError


def write_sample_of(
    spec: CorpusSpec | TaskSpec, folder: Path, *, seed: int, num_documents: int
) -> dict[str, list[str]]:
    """Let a spec write its sample into an existing folder; returns the names of the files below it, by split.

    Raises:
        PluginError: the spec writes none, or its writer returns something else than files that it wrote there, those
            of a corpus under "text", those of a task under "train" and perhaps "dev" and "test".
    """
    if spec.sample is None:
        raise PluginError("writes no sample", where=spec.name)
    write = spec.sample.write
    where = f"{owner_of(write)}, sample of {spec.reference}, {place_of(write)}"
    keys = ("text",) if isinstance(spec, CorpusSpec) else SPLITS
    with blamed(write, spec.reference, "the sample could not be written", chosen=lambda: (folder,)):
        files: object = write(folder, seed, num_documents)
    if not isinstance(files, Mapping):
        raise PluginError("the sample writer must return its files by split", where=where, given=repr(files))
    if not files.get(keys[0]) or not set(files) <= set(keys):
        raise PluginError(
            f'the sample must have files under "{keys[0]}"',
            where=where,
            given=sorted(map(str, files)),
            allowed=sorted(keys),
        )
    return {split: [_name(path, folder, where) for path in _paths(paths, where)] for split, paths in files.items()}


def _paths(paths: object, where: str) -> tuple[Path, ...]:
    found = tuple(paths) if isinstance(paths, Iterable) else (paths,)
    if not isinstance(paths, Iterable) or not all(isinstance(path, Path) for path in found):
        raise PluginError(
            "the sample writer must return a tuple of paths for each split",
            where=where,
            given=repr(paths),
            allowed="(pathlib.Path, ...)",
        )
    return found


def _name(path: Path, folder: Path, where: str) -> str:
    """The name below the folder; both may be absolute or not."""
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise PluginError("the sample writer names a file it did not write into its folder", where=where, given=path)
    return path.resolve().relative_to(folder.resolve()).as_posix()

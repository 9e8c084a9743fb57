"""Where a stage's input files come from: the recipe's files, or a synthetic sample written by an earlier stage."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from domainlm.api import CorpusSpec, Split, TaskSpec
from domainlm.files import read_json, write_json
from domainlm.plugin.samples import write_sample_of
from domainlm.study.files import FileHashes
from domainlm.study.stage import Stage, StageContext

_FILES, _FOLDER = "files.json", "data"


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file outside the store, with the hash of its bytes."""

    path: Path
    sha256: str

    @staticmethod
    def all_of(paths: Iterable[Path], hashes: FileHashes) -> tuple[InputFile, ...]:
        """The files at `paths`, hashed."""
        return tuple(InputFile(path, hashes.of(path)) for path in paths)

    @staticmethod
    def by_split(paths: Mapping[Split, Iterable[Path]], hashes: FileHashes) -> dict[Split, tuple[InputFile, ...]]:
        """The files of each split, hashed."""
        return {split: InputFile.all_of(each, hashes) for split, each in paths.items()}


def companion_identity(companions: Iterable[InputFile]) -> dict[str, Any]:
    """What companions of a task's files add to an identity: nothing where there are none."""
    hashes = [file.sha256 for file in companions]
    return {"companions": hashes} if hashes else {}


def pairs_identity(spec: TaskSpec) -> dict[str, Any]:
    """What a task's pairs of mentions add to an identity: nothing where its examples are no pairs.

    At first only a line feed ended a line, and with it a sentence; now whatever ends a line elsewhere does.
    """
    return {"sentences_end": "with any line"} if spec.pairs is not None else {}


@dataclass(frozen=True, kw_only=True)
class SampleStage(Stage):
    """Writes the synthetic sample of a corpus or task."""

    kind: ClassVar[str] = "sample"

    spec: CorpusSpec | TaskSpec
    num_documents: int
    seed: int

    def identity(self) -> Mapping[str, Any]:
        """The spec, and what its sample is asked for."""
        return {"spec": self.spec.reference, "num_documents": self.num_documents, "seed": self.seed}

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Let the spec write its files, and remember which file is of which split."""
        folder = empty_folder(context.folder / _FOLDER)
        names = write_sample_of(self.spec, folder, seed=self.seed, num_documents=self.num_documents)
        below = {split: [f"{_FOLDER}/{name}" for name in found] for split, found in names.items()}
        write_json(context.folder / _FILES, below)
        assert self.spec.sample is not None, "it has written one"
        return {
            "description": self.spec.sample.description,
            "splits": {key: len(value) for key, value in names.items()},
        }


def sample_files(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The files of a sample artifact, by split."""
    return {split: tuple(folder / name for name in names) for split, names in read_json(folder / _FILES).items()}


def empty_folder(folder: Path) -> Path:
    """Make `folder` anew: stages that are quick start over when a run was stopped."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder

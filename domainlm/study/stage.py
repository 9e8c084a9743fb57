"""What a stage is: an identity that names its artifact, its inputs, and how to make it."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from domainlm.api import ProblemLog
from domainlm.train.observer import Observer


@dataclass(frozen=True, slots=True)
class StageContext:
    """What a stage may use while it is made.

    Attributes:
        folder: where to write. It is kept when the run is stopped, so that the next run can go on from it.
        inputs: the folders of the input artifacts, and of what the stage's hints made, by their role.
        problems: what was skipped or mended; it goes into the manifest.
        observer: hears of steps and checkpoints.
    """

    folder: Path
    inputs: Mapping[str, Path]
    problems: ProblemLog
    observer: Observer


@dataclass(frozen=True, kw_only=True)
class Stage(ABC):
    """One node of the graph. Two stages with the same key are the same stage.

    Attributes:
        label: for people: what it works on ("contracts, seed 0").
        inputs: the stages it reads, by their role.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1
    """Rises whenever the same settings give other bytes."""

    label: str = field(compare=False)
    inputs: Mapping[str, Stage]

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """Everything besides the inputs that decides the bytes of the artifact, as JSON values."""

    @abstractmethod
    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Write the artifact's files into `context.folder`; return facts for the manifest, as JSON values."""

    @property
    def hints(self) -> Mapping[str, Stage]:
        """Stages to be made before, which spare work where they are there, and decide no byte; by their role."""
        return {}

    @cached_property
    def key(self) -> str:
        """Hash of kind, version, identity and the keys of the inputs."""
        content = {
            "kind": self.kind,
            "version": self.version,
            "identity": self.identity(),
            "inputs": {role: stage.key for role, stage in self.inputs.items()},
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def with_inputs(self) -> list[Stage]:
        """This stage and all below it, inputs first."""
        return [*with_all_inputs((*self.inputs.values(), *self.hints.values())), self]


def with_all_inputs(stages: Iterable[Stage]) -> list[Stage]:
    """Stages and all below them, each once, inputs before what reads them."""
    found: dict[str, Stage] = {}
    for stage in stages:
        for below in stage.with_inputs():
            found.setdefault(below.key, below)
    return list(found.values())

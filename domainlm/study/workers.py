"""Workers: processes that each make one stage, on this machine or as jobs of a cluster.

Each runs `domainlm study stage`, the same command whoever starts it, so that nothing but text is handed over: what is
made is found in the store, and what went wrong as a note beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from domainlm.study.stage import Stage

_SECONDS_TO_SAVE = 120.0
_LAST_CHARACTERS = 500


class Job(Protocol):
    """A worker at work on a stage."""

    @property
    def seconds_until_seen(self) -> float:
        """How long after its end what it made may still be hidden from us."""

    def has_ended(self) -> bool:
        """Whether it has."""

    def last_words(self) -> str:
        """How it ended, where it left neither an artifact nor a note."""


class Workers(Protocol):
    """What starts workers."""

    @property
    def size(self) -> int:
        """How many may work at once."""

    def start(self, stage: Stage) -> Job:
        """Start one, on a stage whose inputs are there."""

    def stop(self, jobs: Sequence[Job]) -> None:
        """End these early, and wait until they have saved what they can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCommand:
    """The command that makes one stage of a run.

    Attributes:
        recipe: a TOML file.
        out: the run's output folder.
        store: its store.
        overrides: `dotted.key=value` texts.
    """

    recipe: Path
    out: Path
    store: Path
    overrides: tuple[str, ...] = ()

    def of(self, stage: Stage) -> list[str]:
        """The command and its arguments."""
        folders = ["--out", str(self.out.absolute()), "--store", str(self.store.absolute())]
        changes = [word for text in self.overrides for word in ("--set", text)]
        start = [sys.executable, "-m", "domainlm", "study", "stage"]
        return [*start, str(self.recipe.absolute()), stage.key, *folders, *changes]

    def log(self, stage: Stage) -> Path:
        """Where its messages go."""
        return self.out.absolute() / "workers" / f"{stage.kind}-{stage.key[:12]}.log"


@dataclass(slots=True)
class LocalJob:
    """A process of this machine."""

    process: subprocess.Popen[bytes]
    log: Path
    device: int | None = None

    @property
    def seconds_until_seen(self) -> float:
        """This machine sees at once what it writes."""
        return 0.0

    def has_ended(self) -> bool:
        """Whether it has."""
        return self.process.poll() is not None

    def last_words(self) -> str:
        """The code it ended with, and the end of its log."""
        return f"the worker ended with code {self.process.returncode}: {tail(self.log)}"


@dataclass(slots=True)
class LocalWorkers:
    """Processes of this machine; with several GPUs each has one of its own.

    Attributes:
        command: what each runs.
        size: how many may work at once.
        devices: the names of the GPUs, as CUDA_VISIBLE_DEVICES takes them; empty where they share what there is.
    """

    command: StageCommand
    size: int
    devices: Sequence[str] = ()
    _jobs: list[LocalJob] = field(default_factory=list)

    def start(self, stage: Stage) -> LocalJob:
        """Start a process of its own session, so that Ctrl-C reaches it through us alone."""
        log = self.command.log(stage)
        log.parent.mkdir(parents=True, exist_ok=True)
        self._jobs = [job for job in self._jobs if not job.has_ended()]
        taken = {job.device for job in self._jobs}
        device = next((place for place in range(len(self.devices)) if place not in taken), None)
        with log.open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603 - our own command
                self.command.of(stage),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=self._environment(device),
                start_new_session=True,
            )
        job = LocalJob(process, log, device)
        self._jobs.append(job)
        return job

    def stop(self, jobs: Sequence[Job]) -> None:
        """SIGTERM, upon which a stage saves and ends; SIGKILL for one that does not."""
        mine = [job for job in jobs if isinstance(job, LocalJob)]
        for job in mine:
            job.process.terminate()
        for job in mine:
            try:
                job.process.wait(_SECONDS_TO_SAVE)
            except subprocess.TimeoutExpired:
                job.process.kill()
                job.process.wait()

    def _environment(self, device: int | None) -> Mapping[str, str]:
        return dict(os.environ) | ({} if device is None else {"CUDA_VISIBLE_DEVICES": self.devices[device]})


def tail(log: Path) -> str:
    """The last lines of a log."""
    try:
        return log.read_text("utf-8", errors="replace")[-_LAST_CHARACTERS:].strip() or "(it said nothing)"
    except OSError:
        return f"(no log at {log})"

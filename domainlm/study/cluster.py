"""Workers as jobs of a Slurm cluster, through submitit.

submitit pickles what it is to call, here a command of plain text, and what that returns; we read neither of them back.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from domainlm.errors import MachineError
from domainlm.recipe.slurm_settings import SlurmSettings
from domainlm.study.stage import Stage
from domainlm.study.workers import Job, StageCommand, tail

_POLL_SECONDS = 1.0
_SECONDS_TO_SAVE = 120.0
_SECONDS_UNTIL_SEEN = 60.0
"""As long as a network file system remembers, by its defaults, what was in a folder before another node wrote there."""


@dataclass(slots=True)
class ClusterJob:
    """A job of the cluster."""

    job: Any
    _asked: float = 0.0
    _has_ended: bool = False

    @property
    def seconds_until_seen(self) -> float:
        """Other nodes' files show when this one asks the file system's server again."""
        return _SECONDS_UNTIL_SEEN

    def has_ended(self) -> bool:
        """Whether it has; the cluster is asked once a second at most."""
        if not self._has_ended and time.monotonic() - self._asked >= _POLL_SECONDS:
            self._asked = time.monotonic()
            self._has_ended = bool(self.job.done())
        return self._has_ended

    def last_words(self) -> str:
        """Its state, and the end of what it wrote."""
        return f"job {self.job.job_id} ended as {self.job.state}: {tail(self.job.paths.stderr)}"


@dataclass(slots=True)
class ClusterWorkers:
    """Jobs of a cluster, one for each stage; their files are in OUT/workers."""

    command: StageCommand
    settings: SlurmSettings
    _executor: Any = None

    @property
    def size(self) -> int:
        """How many jobs may be queued or running."""
        return self.settings.max_jobs

    def start(self, stage: Stage) -> ClusterJob:
        """Submit a job.

        Raises:
            MachineError: submitit is not installed, or there is no cluster here.
        """
        from submitit.helpers import CommandFunction

        executor = self._open()
        executor.update_parameters(name=f"{stage.kind}-{stage.key[:8]}")
        return ClusterJob(executor.submit(CommandFunction(self.command.of(stage), verbose=False)))

    def stop(self, jobs: Sequence[Job]) -> None:
        """Cancel these, and wait until they are gone."""
        mine = [job for job in jobs if isinstance(job, ClusterJob)]
        for job in mine:
            job.job.cancel()
        deadline = time.monotonic() + _SECONDS_TO_SAVE
        for job in mine:
            with suppress(Exception):  # a cancelled job may be unknown to the cluster by now
                while not job.job.done() and time.monotonic() < deadline:
                    time.sleep(_POLL_SECONDS)

    def check(self) -> None:
        """Raise `MachineError` where jobs cannot be submitted from here."""
        self._open()

    def _open(self) -> Any:  # noqa: ANN401 - submitit's executor
        if self._executor is None:
            self._executor = _executor(self.command, self.settings)
        return self._executor


def _executor(command: StageCommand, settings: SlurmSettings) -> Any:  # noqa: ANN401
    try:
        import submitit
    except ImportError:
        raise MachineError(
            "submitit is not installed", where="--workers slurm", remedy="pip install 'domainlm[slurm]'"
        ) from None
    try:
        executor = submitit.AutoExecutor(folder=command.out.absolute() / "workers" / "%j", cluster=settings.cluster)
    except (RuntimeError, FileNotFoundError) as error:
        raise MachineError(
            f"no jobs can be submitted from here: {error}",
            where="--workers slurm",
            remedy='run this on a node that has sbatch and srun, or try it out with runtime.slurm.cluster = "local"',
        ) from None
    executor.update_parameters(timeout_min=settings.minutes, cpus_per_task=settings.num_cpus)
    if settings.memory_gb is not None:
        executor.update_parameters(mem_gb=settings.memory_gb)
    if settings.cluster == "slurm":
        asked: dict[str, Any] = {
            "slurm_gpus_per_node": settings.num_gpus or None,
            "slurm_partition": settings.partition,
            "slurm_account": settings.account,
            "slurm_additional_parameters": dict(settings.parameters) or None,
        }
        executor.update_parameters(**{key: value for key, value in asked.items() if value is not None})
    return executor

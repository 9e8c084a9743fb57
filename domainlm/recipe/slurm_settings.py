"""The keys of a recipe's [runtime.slurm]: jobs on a cluster, one for each stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domainlm.recipe.base import NotNegative, Positive, Scalar, Settings


class SlurmSettings(Settings):
    """What `domainlm run --workers slurm` asks of a cluster for each stage. Needs the extra "slurm"."""

    cluster: Literal["slurm", "local"] = "slurm"
    """"local" runs the same jobs as processes on this machine, to try it out."""
    partition: str | None = None
    """Partition; the cluster's default if not given."""
    account: str | None = None
    """Account that is charged."""
    minutes: Positive = 1440
    """Time limit of a job. A stage that reaches it resumes from its last checkpoint in the next run."""
    num_gpus: NotNegative = 1
    """GPUs of a job."""
    num_cpus: Positive = 8
    """Cores of a job."""
    memory_gb: Positive | None = None
    """Memory of a job; the cluster's default if not given."""
    max_jobs: Positive = 16
    """Maximum number of jobs queued or running at once."""
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    """Further parameters of sbatch, as in `{ qos = "low", constraint = "a100" }`."""

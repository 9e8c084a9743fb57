"""Synthetic samples of corpora and tasks."""

from __future__ import annotations

from domainlm.api import CorpusSpec, TaskSpec
from domainlm.recipe.corpus_settings import SampleSettings
from domainlm.recipe.resolved import ResolvedTask
from domainlm.study.stage import Stage
from domainlm.study.stages.sources import SampleStage


def sample_stage(spec: CorpusSpec | TaskSpec, settings: SampleSettings) -> SampleStage:
    """The stage that writes a synthetic sample."""
    return SampleStage(label=spec.name, inputs={}, spec=spec, num_documents=settings.num_documents, seed=settings.seed)


def task_sample(task: ResolvedTask) -> dict[str, Stage]:
    """The sample that a task is trained or measured on, as an input of a stage; none where it has files."""
    return {} if task.sample is None else {"sample": sample_stage(task.spec, task.sample)}

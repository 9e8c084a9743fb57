"""Looks through the data of a task as fine-tuning will, without a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from domainlm.api import Split, TaskKind, TaskSpec
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.reading import SplitExamples, limit_splits, read_splits
from domainlm.tasks.sequence.task import SequenceTask
from domainlm.tasks.span.task import SpanTask
from domainlm.tasks.token.task import TokenTask

_CHECKS: Mapping[TaskKind, Callable[[TaskSpec, Mapping[Split, SplitExamples], FinetuningSettings], None]] = {
    "token": TokenTask.check,
    "sequence": SequenceTask.check,
    "span": SpanTask.check,
}


def check_data(
    task: TaskSpec, files: Mapping[Split, tuple[Path, ...]], all_settings: Iterable[FinetuningSettings]
) -> None:
    """Read every split once, and see whether there is something to learn and to score under each of the settings.

    What is skipped or mended is told where it is trained on, and not here.

    Raises:
        UserError: what `finetune` would raise of these files.
    """
    splits = read_splits(task, files)
    for settings in all_settings:
        _CHECKS[task.kind](task, limit_splits(splits, settings), settings)

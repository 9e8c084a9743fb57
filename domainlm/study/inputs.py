"""Looks at a run's inputs before it makes anything, so that a mistake in them is told before hours of pretraining."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from domainlm.api import Split, TaskSpec
from domainlm.errors import DataError, UserError
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.study.attempts import is_of_the_machine, message_of
from domainlm.study.plan import PlannedRun
from domainlm.study.stages.corpus import CorpusStage
from domainlm.study.stages.finetune import FinetuneStage
from domainlm.tasks.checking import check_data

_TRAINING = ("pretrain", "finetune")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Data:
    """One data set, and the settings of the fine-tunings that are still to be made on it."""

    name: str
    spec: TaskSpec
    files: dict[Split, tuple[Path, ...]]
    settings: dict[str, FinetuningSettings] = field(default_factory=dict)


def check_inputs(planned: PlannedRun) -> None:
    """Read the data of all fine-tunings that are not done, each data set once; samples are not there to be read yet.

    Of corpora that are not prepared, empty files are found: what a fetch that failed has left. Where a model of this
    run is trained already, the run goes on beside what cannot be read, and that is said.

    Raises:
        UserError: data that cannot be read or trained on, and nothing is trained yet.
    """
    errors = list(_errors(planned))
    mistakes = [error for _, error in errors if isinstance(error, UserError)]
    refused = mistakes[0] if mistakes and not _has_trained(planned) else None
    for name, error in errors:
        if error is not refused:
            _log.error("%s: %s", name, message_of(error).partition("\n")[0])
    if refused is not None:
        raise refused


def _errors(planned: PlannedRun) -> Iterator[tuple[str, Exception]]:
    """What cannot be read, each with the corpus or data set that it is of.

    What no user can mend is told again by the stage that comes upon it, with its traceback.
    """
    for corpus, file in _empty_files(planned):
        remedy = 'fetch it again or remove it; or skip what cannot be read: corpus.on_bad_input = "skip"'
        yield corpus, DataError("is empty", where=file, remedy=remedy)
    for data in _data_of(planned):
        try:
            check_data(data.spec, data.files, data.settings.values())
        except Exception as error:
            if is_of_the_machine(error):
                raise
            yield data.name, error


def _empty_files(planned: PlannedRun) -> Iterator[tuple[str, Path]]:
    """Files that a reader would refuse when it comes to them, with the corpus that they are of."""
    for stage in planned.stages():
        if not isinstance(stage, CorpusStage) or planned.store.find(stage.kind, stage.key) is not None:
            continue
        if stage.settings.on_bad_input == "refuse" and stage.settings.max_documents is None:
            yield from ((stage.label, file.path) for file in stage.files if not file.path.stat().st_size)


def _data_of(planned: PlannedRun) -> Iterator[_Data]:
    found: dict[tuple[object, ...], _Data] = {}
    for stage in planned.stages():
        if isinstance(stage, FinetuneStage) and stage.files and planned.store.find(stage.kind, stage.key) is None:
            files = {split: tuple(file.path for file in each) for split, each in stage.files.items()}
            key = (stage.spec.reference, *sorted(files.items()))
            data = found.setdefault(key, _Data(stage.name, stage.spec, files))
            data.settings.setdefault(stage.settings.model_dump_json(), stage.settings)
    yield from found.values()


def _has_trained(planned: PlannedRun) -> bool:
    stages = (stage for stage in planned.stages() if stage.kind in _TRAINING)
    return any(planned.store.find(stage.kind, stage.key) is not None for stage in stages)

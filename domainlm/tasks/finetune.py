"""Fine-tunes a model on a task, chooses an epoch on dev, and scores it on test.

A run that was killed finds, when it is made again, the loop's checkpoints; and once training has ended `model/`, the
predictions and, last of all, `scores.json`, whose presence says that all is done.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import nn

from domainlm.api import Split, TaskKind, TaskSpec
from domainlm.model.files import save_model
from domainlm.parallel.device import Device
from domainlm.recipe.schema import FinetuningSettings, RuntimeSettings
from domainlm.tasks.files import write_json, write_json_lines
from domainlm.tasks.identity import claim_folder, describe_run
from domainlm.tasks.kind import PreparedTask
from domainlm.tasks.reading import SplitExamples, read_splits
from domainlm.tasks.scores import Json, TaskScore
from domainlm.tasks.start import Start, open_start
from domainlm.tasks.token.task import TokenTask
from domainlm.train.checkpoints.runs import remove_checkpoints
from domainlm.train.loop import LoopSettings, train
from domainlm.train.milestones import KeepBest
from domainlm.train.observer import Observer
from domainlm.train.runtime import open_device

_FORMAT = 1
_SCORES = "scores.json"
_BEST = "best.safetensors"
_MIN_STEPS_PER_CHECKPOINT = 100
_MAX_STEPS_PER_CHECKPOINT = 1_000

_log = logging.getLogger(__name__)


class _PrepareTask(Protocol):
    """How the class of a kind is called."""

    def __call__(
        self,
        spec: TaskSpec,
        splits: Mapping[Split, SplitExamples],
        settings: FinetuningSettings,
        start: Start,
        seed: int,
    ) -> PreparedTask: ...


_KINDS: Mapping[TaskKind, _PrepareTask] = {"token": TokenTask}


def finetune(
    *,
    task: TaskSpec,
    files: Mapping[Split, tuple[Path, ...]],
    settings: FinetuningSettings,
    runtime: RuntimeSettings,
    seed: int,
    start: Path,
    work: Path,
    observer: Observer,
) -> list[TaskScore]:
    """Train on the training split, choose the epoch on dev, score dev and test once with it.

    Leaves `work/model/`, `work/predictions.dev.jsonl`, `work/predictions.test.jsonl`, `work/scores.json` and
    `work/metrics.jsonl`. A call that was killed goes on when it is made again, and ends with the same bytes; one
    that had ended returns its scores. Without a dev split the last epoch is kept, and scores.json says so.

    Args:
        task: the format and its reader.
        files: the files of each split; "train" must have some, "dev" and "test" may be missing or empty.
        settings: how to train.
        runtime: the machine.
        seed: of the head, the order of the data and the dropout.
        start: a model folder with its tokenizer.json.
        work: folder of this run; made where it is not there.
        observer: told after each step and each checkpoint.

    Returns:
        The scores of dev and test, all types pooled and each type.

    Raises:
        DataError: a split cannot be read, or has nothing to learn or to score.
        ModelError: the start cannot be loaded or is too small for the settings, or training diverges.
        StorageError: `work` belongs to another run.
    """
    opened = open_start(start, settings.max_tokens)
    splits = read_splits(task, files)
    work.mkdir(parents=True, exist_ok=True)
    claim_folder(work, describe_run(task, files, settings, seed, start))
    if not (work / _SCORES).is_file():
        prepared = _KINDS[task.kind](task, splits, settings, opened, seed)
        run = _Run(prepared, splits, settings, opened, seed, open_device(runtime), work)
        run.train(observer)
        run.write_results()
    remove_checkpoints(work)
    (work / _BEST).unlink(missing_ok=True)
    return [TaskScore.from_dict(entry) for entry in json.loads((work / _SCORES).read_text("utf-8"))["scores"]]


@dataclass(frozen=True, slots=True)
class _Choice:
    """The epoch whose weights are kept, and why it is that one."""

    epoch: int
    by: str


class _Run:
    """One fine-tuning: its model, trained and then written out."""

    def __init__(
        self,
        prepared: PreparedTask,
        splits: Mapping[Split, SplitExamples],
        settings: FinetuningSettings,
        start: Start,
        seed: int,
        device: Device,
        work: Path,
    ) -> None:
        self._prepared, self._splits, self._settings = prepared, splits, settings
        self._start, self._seed, self._device, self._work = start, seed, device, work
        self._model: nn.Module = prepared.build_model()
        self._choice = _Choice(settings.num_epochs, "as asked")

    def train(self, observer: Observer) -> None:
        """Train to the end, or from the last checkpoint, and leave the chosen weights in the model."""
        num_steps_per_epoch = self._prepared.num_steps_per_epoch
        num_steps = self._settings.num_epochs * num_steps_per_epoch
        best = self._keep_best(range(num_steps_per_epoch, num_steps + 1, num_steps_per_epoch))
        train(
            self._model,
            self._prepared.objective,
            self._prepared.source,
            LoopSettings(
                phase="finetune",
                num_steps=num_steps,
                optimizer=self._settings.optimizer,
                schedule=self._settings.schedule,
                seed=self._seed,
                num_steps_per_checkpoint=_num_steps_per_checkpoint(num_steps_per_epoch),
                num_bad_steps_until_stop=self._settings.num_bad_steps_until_stop,
            ),
            device=self._device,
            work=self._work,
            observer=observer,
            milestones=[best] if best else [],
        )
        if best is not None and best.best_step is not None:
            best.load_best()
            self._choice = _Choice(best.best_step // num_steps_per_epoch, f"best {self._prepared.choice_metric} on dev")

    def _keep_best(self, at_steps: range) -> KeepBest | None:
        if self._settings.choose == "last":
            return None
        if "dev" not in self._splits:
            _log.warning("no dev split to choose an epoch on: the last one is kept (%s)", self._work)
            self._choice = _Choice(self._settings.num_epochs, "last: there is no dev split")
            return None
        return KeepBest(
            name="best_dev",
            model=self._model,
            evaluate=self._score_dev,
            metric=f"dev_{self._prepared.choice_metric}",
            at_steps=at_steps,
            path=self._work / _BEST,
        )

    def _score_dev(self) -> dict[str, float]:
        self._model.eval()
        scores = self._prepared.evaluate(self._model, "dev", self._device).scores
        return {f"dev_{score.metric}": score.value for score in scores if not score.type}

    def write_results(self) -> None:
        """Write the model, the predictions and the scores; scores.json comes last."""
        extra = self._prepared.config_extra()
        save_model(self._work / "model", self._model, self._start.config, extra)
        self._start.vocabulary.save(self._work / "model")
        scores: list[TaskScore] = []
        splits: tuple[Split, ...] = ("dev", "test")
        self._model.eval()
        for split in splits:
            if split in self._splits:
                evaluation = self._prepared.evaluate(self._model, split, self._device)
                write_json_lines(self._work / f"predictions.{split}.jsonl", evaluation.predictions)
                scores.extend(evaluation.scores)
        content: dict[str, Json] = {
            "format": _FORMAT,
            "choice": {"epoch": self._choice.epoch, "num_epochs": self._settings.num_epochs, "by": self._choice.by},
            "scores": [score.as_dict() for score in scores],
            "data": {split: dict(facts) for split, facts in self._prepared.facts()},
        }
        problems = {split: data.problems.as_dict() for split, data in self._splits.items()}
        write_json(self._work / _SCORES, content | {"problems": problems})


def _num_steps_per_checkpoint(num_steps_per_epoch: int) -> int:
    """Whole epochs where they are short, so that little is written; less than one where a loss would hurt."""
    epochs = -(-_MIN_STEPS_PER_CHECKPOINT // num_steps_per_epoch)
    return min(epochs * num_steps_per_epoch, _MAX_STEPS_PER_CHECKPOINT)

"""Fine-tunes a model on a task, chooses an epoch on dev, and scores it on test.

A run that was killed finds, when it is made again, the loop's checkpoints; and once training has ended `model/`, the
predictions and, last of all, `scores.json`, whose presence says that all is done.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from domainlm.api import Split, TaskKind, TaskSpec
from domainlm.files import write_json, write_json_lines
from domainlm.parallel.heartbeat import slow_work
from domainlm.parallel.world import current_world
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.identity import claim_folder, data_hashes, describe_run
from domainlm.tasks.kind import Evaluation, PreparedTask
from domainlm.tasks.reading import SplitExamples, limit_splits, read_splits
from domainlm.tasks.scores import Json, TaskScore
from domainlm.tasks.sequence.task import SequenceTask
from domainlm.tasks.span.task import SpanTask
from domainlm.tasks.start import Start, open_start
from domainlm.tasks.token.task import TokenTask
from domainlm.tasks.trained import TrainedModel, share_rows, trained_model
from domainlm.train.checkpoints.runs import remove_checkpoints
from domainlm.train.checkpoints.together import all_or_none
from domainlm.train.loop import train
from domainlm.train.loop_settings import LoopSettings
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


_KINDS: Mapping[TaskKind, _PrepareTask] = {"token": TokenTask, "sequence": SequenceTask, "span": SpanTask}


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
    parallel: ParallelSettings | None = None,
) -> list[TaskScore]:
    """Train on the training split, choose the epoch on dev, score dev and test once with it.

    Leaves `work/model/`, `work/predictions.dev.jsonl`, `work/predictions.test.jsonl`, `work/scores.json` and
    `work/metrics.jsonl`. A call that was killed goes on when it is made again, and ends with the same bytes; one
    that had ended returns its scores. Without a dev split the last epoch is kept, and scores.json says so. On a grid
    every rank of the world makes the same call; rank 0 writes.

    Args:
        task: the format and its reader.
        files: the files of each split; "train" must have some, "dev" and "test" may be missing or empty.
        settings: how to train.
        runtime: the machine.
        seed: of the head, the order of the data and the dropout.
        start: a model folder with its tokenizer.json.
        work: folder of this run; made where it is not there.
        observer: told after each step and each checkpoint.
        parallel: how the work is divided over the ranks.

    Returns:
        The scores of dev and test, all types pooled and each type.

    Raises:
        DataError: a split cannot be read, or has nothing to learn or to score.
        ModelError: the start cannot be loaded or is too small for the settings, or training diverges.
        StorageError: `work` belongs to another run.
    """
    opened = open_start(start, settings.max_tokens)
    splits = limit_splits(read_splits(task, files), settings)
    world = current_world()
    run_facts = describe_run(task, files, settings, seed, start)
    all_or_none(world, lambda: _claim(work, run_facts) if world.is_first else None)
    if not world.broadcast((work / _SCORES).is_file()):
        shared = share_rows(settings, world)
        prepared = _KINDS[task.kind](task, splits, shared, opened, seed)
        trained = trained_model(
            prepared,
            phase=shared,
            config=opened.config,
            parallel=parallel or ParallelSettings(),
            runtime=runtime,
            device=open_device(runtime),
            seed=seed,
        )
        run = _Run(
            prepared=prepared,
            trained=trained,
            splits=splits,
            data=data_hashes(task, files, settings),
            settings=settings,
            start=opened,
            seed=seed,
            work=work,
        )
        run.train(observer)
        with slow_work():
            run.write_results()
        trained.close()
        world.barrier()
    if world.is_first:
        remove_checkpoints(work)
        (work / _BEST).unlink(missing_ok=True)
    return _read_scores(work)


def _read_scores(work: Path) -> list[TaskScore]:
    entries = json.loads((work / _SCORES).read_text("utf-8"))["scores"]
    return [TaskScore.from_dict(entry) for entry in entries]


def _claim(work: Path, run_facts: Mapping[str, Json]) -> None:
    work.mkdir(parents=True, exist_ok=True)
    claim_folder(work, run_facts)


@dataclass(frozen=True, slots=True)
class _Choice:
    """The epoch whose weights are kept, and why it is that one."""

    epoch: int
    by: str


class _Run:
    """One fine-tuning: its model, trained and then written out.

    Args:
        prepared: the task's features, loss and scores.
        trained: its model.
        splits: examples of each split that there is.
        data: hash of each of them, for signatures.
        settings: how to train.
        start: the vocabulary and shape that the model began with.
        seed: of the run.
        work: folder of the run.
    """

    def __init__(
        self,
        *,
        prepared: PreparedTask,
        trained: TrainedModel,
        splits: Mapping[Split, SplitExamples],
        data: Mapping[Split, str],
        settings: FinetuningSettings,
        start: Start,
        seed: int,
        work: Path,
    ) -> None:
        self._prepared, self._trained = prepared, trained
        self._splits, self._data, self._settings = splits, data, settings
        self._start, self._seed, self._work = start, seed, work
        self._choice = _Choice(settings.num_epochs, "as asked")

    def train(self, observer: Observer) -> None:
        """Train to the end, or from the last checkpoint, and leave the chosen weights in the model."""
        num_steps_per_epoch = self._prepared.num_steps_per_epoch
        num_steps = self._settings.num_epochs * num_steps_per_epoch
        best = self._keep_best(range(num_steps_per_epoch, num_steps + 1, num_steps_per_epoch))
        train(
            self._trained.model,
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
            device=self._trained.device,
            work=self._work,
            observer=observer,
            milestones=[best] if best else [],
            worker=self._trained.worker,
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
            model=self._trained.keeper,
            evaluate=self._score_dev,
            metric=f"dev_{self._prepared.choice_metric}",
            at_steps=at_steps,
            path=self._work / _BEST,
            patience=self._settings.patience,
        )

    def _score_dev(self) -> dict[str, float]:
        scores = self._evaluate("dev").scores
        # Of several protocols the first counts.
        return {f"dev_{score.metric}": score.value for score in reversed(scores) if not score.type}

    def _evaluate(self, split: Split) -> Evaluation:
        """Score one split; every rank takes part."""
        self._trained.model.eval()
        return self._prepared.evaluate(self._trained.model, split, self._trained.device)

    def write_results(self) -> None:
        """Write the predictions, the model and the scores; scores.json comes last."""
        is_writer = current_world().is_first
        scores: list[TaskScore] = []
        splits: tuple[Split, ...] = ("dev", "test")
        for split in splits:
            if split in self._splits:
                evaluation = self._evaluate(split)
                data, part = self._data[split], self._splits[split].part
                scores.extend(score.signed(data, self._seed, part) for score in evaluation.scores)
                if is_writer:
                    write_json_lines(self._work / f"predictions.{split}.jsonl", evaluation.predictions)
        # After dev is scored: what is chosen there belongs to the model.
        self._trained.save(self._work / "model", self._start.config, self._prepared.config_extra())
        if is_writer:
            self._start.vocabulary.save(self._work / "model")
            self._write_scores(scores)

    def _write_scores(self, scores: Sequence[TaskScore]) -> None:
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

"""Fine-tunes a tiny model on a rank of a grid: called by `run_on_ranks`, by file and name; imports no pytest."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domainlm.api import Split, TaskSpec
from domainlm.builtin.formats.conll import read_conll
from domainlm.builtin.formats.squad import read_squad
from domainlm.model.config import ModelConfig
from domainlm.parallel.world import leave_world
from domainlm.recipe.optimizer_settings import FinetuningOptimizerSettings
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.task_settings import FinetuningSettings, HeadSettings
from domainlm.tasks.finetune import finetune
from domainlm.tasks.scores import TaskScore
from domainlm.tasks.token import task
from domainlm.tasks.token.inference import WordLabels, label_words
from domainlm.train.assemble import create_start
from domainlm.train.observer import NullObserver
from domainlm.vocab.vocabulary import Vocabulary

if TYPE_CHECKING:
    from domainlm.parallel.world import World

SHIPS = ("vega", "orion", "lyra", "argo", "hydra", "gemini", "corvus")
WORDS = ("the", "left", "old", "ship", "came", "today", "again", "was", "seen")


def make_inputs(world: World, text: str) -> None:
    """A start and the splits of a task."""
    folder = Path(text)
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *SHIPS, *WORDS]
    (folder / "vocab.txt").write_text("\n".join(entries) + "\n")
    Vocabulary.load(folder / "vocab.txt").save(folder)
    config = ModelConfig(
        layers=2,
        hidden=32,
        heads=2,
        feed_forward=64,
        max_positions=24,
        architecture="megatron",
        dropout=0.0,
        vocabulary_size=len(entries),
        padded_vocabulary_size=len(entries),
    )
    create_start(config, sentence_order=False, seed=0, vocabulary=folder, folder=folder / "start")
    for split, size in (("train", 60), ("dev", 12), ("test", 12)):
        choose = random.Random(size)  # noqa: S311 - test data
        lines = []
        for _ in range(size):
            for _ in range(choose.randint(4, 12)):
                is_ship = choose.random() < 0.2
                lines.append(f"{choose.choice(SHIPS)}\tB-ship" if is_ship else f"{choose.choice(WORDS)}\tO")
            lines.append("")
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n")


def tune_alone(world: World, text: str, out: str, parallel: dict[str, Any]) -> list[list[Any]]:
    """The same by a process that left its world."""
    leave_world()
    return tune(world, text, out, parallel)


def tune(world: World, text: str, out: str, parallel: dict[str, Any]) -> list[list[Any]]:
    """Fine-tune into `out`; returns the scores."""
    splits: tuple[Split, ...] = ("train", "dev", "test")
    files = {split: (Path(text) / f"{split}.tsv",) for split in splits}
    task = TaskSpec(name="test/log", description="ships", kind="token", read=read_conll)
    scores = _finetuned(task, files, Path(text), Path(out), parallel, batch=8, micro_batch=3)
    return [[score.split, score.metric, score.type, score.value] for score in scores]


def answer(world: World, text: str, out: str, parallel: dict[str, Any]) -> list[list[Any]]:
    """Fine-tune on questions into `out`; returns the scores."""
    articles = []
    for day, ship in enumerate(SHIPS):
        asked = {"id": f"{day}", "question": f"{ship} {WORDS[day % 4]}", "answers": [{"text": ship, "answer_start": 4}]}
        articles.append({"paragraphs": [{"context": f"the {ship} left again", "qas": [asked]}]})
    file = Path(out) / f"questions-{world.rank}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"version": "1.1", "data": articles}))
    splits: tuple[Split, ...] = ("train", "dev", "test")
    task = TaskSpec(name="test/asked", description="ships", kind="span", read=read_squad)
    files = dict.fromkeys(splits, (file,))
    scores = _finetuned(task, files, Path(text), Path(out) / "work", parallel, batch=4, micro_batch=2)
    return [[score.split, score.metric, score.value] for score in scores]


def _finetuned(
    task: TaskSpec,
    files: Mapping[Split, tuple[Path, ...]],
    inputs: Path,
    work: Path,
    parallel: dict[str, Any],
    *,
    batch: int,
    micro_batch: int,
) -> list[TaskScore]:
    return finetune(
        task=task,
        files=files,
        settings=FinetuningSettings(
            num_epochs=3,
            num_sequences_per_step=batch,
            num_sequences_per_micro_batch=micro_batch,
            max_tokens=24,
            optimizer=FinetuningOptimizerSettings(learning_rate=3e-3, epsilon=1e-6),
            head=HeadSettings(dropout=0.0),
        ),
        runtime=RuntimeSettings(device="cpu"),
        seed=1,
        start=inputs / "start",
        work=work,
        observer=NullObserver(),
        parallel=ParallelSettings(**parallel),
    )


def answer_alone(world: World, text: str, out: str, parallel: dict[str, Any]) -> list[list[Any]]:
    """The same by a process that left its world."""
    leave_world()
    return answer(world, text, out, parallel)


def tune_stopped(world: World, text: str, out: str, parallel: dict[str, Any]) -> list[bool]:
    """The last rank gets a signal as the second scoring of dev begins: whether it stops, and whether at once."""
    calls, done = Counter[str](), Counter[str]()

    def label(*arguments: Any, **named: Any) -> WordLabels:  # noqa: ANN401 - as `label_words`
        calls["all"] += 1
        if calls["all"] == 2 and world.rank == world.size - 1:
            signal.raise_signal(signal.SIGTERM)
        found = label_words(*arguments, **named)
        done["all"] += 1
        return found

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    task.label_words = label
    try:
        tune(world, text, out, parallel)
    except KeyboardInterrupt:
        return [True, (calls["all"], done["all"]) == (2, 1)]
    finally:
        task.label_words = label_words
    return [False, False]

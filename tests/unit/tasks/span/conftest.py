"""A small question-answering task that a small model learns in seconds."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import Split, TaskSpec
from domainlm.builtin.formats.squad import read_squad
from domainlm.recipe.optimizer_settings import FinetuningOptimizerSettings
from domainlm.recipe.span_settings import SpanSettings
from domainlm.recipe.task_settings import FinetuningSettings, HeadSettings

SHIPS = ("Vega", "Orion", "Lyra", "Argo", "Hydra", "Gemini")
PLACES = ("Oslo", "Bergen", "Porto", "Malmo", "Cadiz", "Dover")
CARGO = ("salt", "wool", "timber", "grain", "copper")
WORDS = (*SHIPS, *PLACES, *CARGO, "the", "left", "with", "which", "ship", "port", "cargo", ".", "?", "##s")


def questions(num_contexts: int, seed: int, *, impossible: bool) -> dict[str, Any]:
    """SQuAD's JSON: a ship, its port and its cargo in each context; each may be asked for."""
    draw = random.Random(seed)  # noqa: S311 - test data
    paragraphs = []
    for number in range(num_contexts):
        ship, place, cargo = (draw.choice(names) for names in (SHIPS, PLACES, CARGO))
        has_cargo = not impossible or draw.random() < 0.5
        context = f"the {ship} left {place} {f'with {cargo} ' if has_cargo else ''}."
        asked = {"which ship ?": ship, "which port ?": place, "which cargo ?": cargo if has_cargo else None}
        entries: list[dict[str, Any]] = []
        for question, answer in asked.items():
            entry: dict[str, Any] = {"id": f"{number}-{len(entries)}", "question": question, "answers": []}
            if answer is None:
                entry["is_impossible"] = True
            else:
                entry["answers"] = [{"text": answer, "answer_start": context.index(answer)}]
            entries.append(entry)
        paragraphs.append({"context": context, "qas": entries})
    return {"version": "2.0" if impossible else "1.1", "data": [{"title": "logs", "paragraphs": paragraphs}]}


def write_splits(folder: Path, *, impossible: bool) -> dict[Split, tuple[Path, ...]]:
    files: dict[Split, tuple[Path, ...]] = {}
    sizes: dict[Split, int] = {"train": 60, "dev": 12, "test": 12}
    for seed, (split, size) in enumerate(sizes.items()):
        files[split] = (folder / f"{split}.json",)
        files[split][0].write_text(json.dumps(questions(size, seed, impossible=impossible)))
    return files


@pytest.fixture(scope="session")
def span_settings() -> FinetuningSettings:
    return FinetuningSettings(
        num_epochs=10,
        num_sequences_per_step=8,
        num_sequences_per_micro_batch=8,
        max_tokens=24,
        span=SpanSettings(num_best=5),
        head=HeadSettings(num_fc_layers=2, fc_hidden=32, dropout=0.0),
        optimizer=FinetuningOptimizerSettings(learning_rate=4e-3),
    )


@pytest.fixture(scope="session")
def squad_task() -> TaskSpec:
    return TaskSpec(name="test/questions", description="ships, ports, cargo", kind="span", read=read_squad)


@pytest.fixture(scope="session")
def squad_files(tmp_path_factory: pytest.TempPathFactory) -> dict[Split, tuple[Path, ...]]:
    return write_splits(tmp_path_factory.mktemp("v1"), impossible=False)


@pytest.fixture(scope="session")
def squad_v2_files(tmp_path_factory: pytest.TempPathFactory) -> dict[Split, tuple[Path, ...]]:
    return write_splits(tmp_path_factory.mktemp("v2"), impossible=True)


@pytest.fixture(scope="session")
def span_start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model folder with fresh weights, whose vocabulary has the words of the task."""
    from domainlm.model.config import ModelConfig
    from domainlm.train.assemble import create_start
    from domainlm.vocab.vocabulary import Vocabulary

    folder = tmp_path_factory.mktemp("start")
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(entries) + "\n")
    Vocabulary.load(folder / "vocab.txt", cased=True).save(folder)
    config = ModelConfig(
        layers=2,
        hidden=32,
        heads=2,
        feed_forward=64,
        max_positions=32,
        architecture="megatron",
        dropout=0.0,
        vocabulary_size=len(entries),
        padded_vocabulary_size=64,
    )
    create_start(config, sentence_order=False, seed=0, vocabulary=folder, folder=folder / "model")
    return folder / "model"

"""Which weights a pretraining leaves as they were, and that a stopped one goes on alike."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from domainlm.api import StepInfo
from domainlm.errors import ModelError
from domainlm.model.config import ModelConfig
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.train.assemble import create_start, pretrain
from domainlm.train.observer import NullObserver
from domainlm.vocab.vocabulary import Vocabulary

ENTRIES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", *(f"##{letter}" for letter in "abcdefghij")]
CONFIG = ModelConfig(
    layers=2,
    hidden=16,
    heads=2,
    feed_forward=32,
    max_positions=24,
    architecture="bert",
    dropout=0.1,
    vocabulary_size=len(ENTRIES),
    padded_vocabulary_size=32,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, write_dataset: Callable[..., None]) -> Path:
    folder = tmp_path_factory.mktemp("world")
    (folder / "vocabulary").mkdir()
    (folder / "vocab.txt").write_text("\n".join(ENTRIES) + "\n")
    Vocabulary.load(folder / "vocab.txt", cased=True).save(folder / "vocabulary")
    draw = random.Random(0)  # noqa: S311 - test data
    documents = [[draw.choices(range(5, 25), k=8) for _ in range(3)] for _ in range(30)]
    write_dataset(folder / "tokens", documents)
    create_start(CONFIG, sentence_order=False, seed=3, vocabulary=folder / "vocabulary", folder=folder / "start")
    return folder


class Stops(NullObserver):
    """Interrupts after a step, once."""

    def __init__(self, step: int) -> None:
        self.step = step

    def step_ended(self, info: StepInfo) -> None:
        if info.step == self.step:
            self.step = 0
            raise KeyboardInterrupt


def train(world: Path, work: Path, observer: NullObserver | None = None, **changes: Any) -> None:  # noqa: ANN401
    fields: dict[str, Any] = {
        "num_steps": 3,
        "num_sequences_per_step": 4,
        "num_sequences_per_micro_batch": 4,
        "max_tokens": 24,
        "second_objective": "none",
        "num_steps_per_checkpoint": 1,
    }
    pretrain(
        settings=PretrainingSettings(**(fields | changes)),
        runtime=RuntimeSettings(device="cpu", num_threads=1),
        start=world / "start",
        tokens=world / "tokens",
        vocabulary=world / "vocabulary",
        work=work,
        observer=observer or NullObserver(),
    )


def changed(world: Path, work: Path) -> set[str]:
    before, after = load_file(world / "start" / "model.safetensors"), load_file(work / "model" / "model.safetensors")
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_at_first_only_the_word_embedding_and_the_heads_learn(world: Path, tmp_path: Path) -> None:
    train(world, tmp_path, num_embedding_steps=3)
    heads = {"masked_lm.bias", "masked_lm.dense.weight", "masked_lm.dense.bias"}
    assert changed(world, tmp_path) == {
        "encoder.embeddings.word.weight",
        *heads,
        "masked_lm.norm.weight",
        "masked_lm.norm.bias",
    }


def test_after_that_everything_learns(world: Path, tmp_path: Path) -> None:
    train(world, tmp_path, num_embedding_steps=2)
    names = changed(world, tmp_path)
    assert {"encoder.layers.0.feed_forward.inner.weight", "encoder.embeddings.position.weight"} <= names
    assert len(names) == len(load_file(world / "start" / "model.safetensors"))


def test_layers_and_embeddings_rest_for_good(world: Path, tmp_path: Path) -> None:
    train(world, tmp_path, num_frozen_layers=1, freezes_embeddings=True)
    names = changed(world, tmp_path)
    assert not any(name.startswith(("encoder.layers.0.", "encoder.embeddings.")) for name in names)
    assert {"encoder.layers.1.attention.output.weight", "masked_lm.bias"} <= names
    train(world, tmp_path / "both", num_frozen_layers=1, num_embedding_steps=1)
    names = changed(world, tmp_path / "both")
    assert "encoder.embeddings.position.weight" in names
    assert not any(name.startswith("encoder.layers.0.") for name in names)


def test_more_layers_than_there_are_cannot_rest(world: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="fewer layers"):
        train(world, tmp_path, num_frozen_layers=3)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_stopped_run_ends_with_the_same_bytes(step: int, world: Path, tmp_path: Path) -> None:
    train(world, tmp_path / "whole", num_steps=4, num_embedding_steps=2)
    with pytest.raises(KeyboardInterrupt):
        train(world, tmp_path / "stopped", Stops(step), num_steps=4, num_embedding_steps=2)
    train(world, tmp_path / "stopped", num_steps=4, num_embedding_steps=2)
    for name in ("model/model.safetensors", "metrics.jsonl"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()

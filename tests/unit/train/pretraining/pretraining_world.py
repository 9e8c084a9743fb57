"""A vocabulary, a corpus of letters and a small model to pretrain on it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domainlm.model.config import ModelConfig
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.text.batches import PretrainingBatches
from domainlm.text.indexed import IndexedDataset
from domainlm.text.masking import Masking, TokenTable
from domainlm.text.pairs import SecondObjective
from domainlm.train.observer import NullObserver

ENTRIES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrst", *(f"##{each}" for each in "uvwxyz")]
CONFIG = ModelConfig(
    layers=1,
    hidden=32,
    heads=2,
    feed_forward=64,
    max_positions=32,
    architecture="megatron",
    dropout=0.1,
    vocabulary_size=len(ENTRIES),
    padded_vocabulary_size=64,
)
RUNTIME = RuntimeSettings(device="cpu", num_threads=1)


@dataclass(frozen=True)
class World:
    """The folders that pretraining reads."""

    vocabulary: Path
    tokens: Path
    start: Path

    def arguments(self, work: Path, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of several types
        return {
            "settings": settings_of(**changes),
            "runtime": RUNTIME,
            "start": self.start,
            "tokens": self.tokens,
            "vocabulary": self.vocabulary,
            "work": work,
            "observer": NullObserver(),
        }


def settings_of(**changes: Any) -> PretrainingSettings:  # noqa: ANN401
    fields: dict[str, Any] = {
        "num_steps": 16,
        "num_sequences_per_step": 6,
        "num_sequences_per_micro_batch": 4,
        "max_tokens": 24,
        "num_steps_per_checkpoint": 2,
        "seed": 3,
    }
    return PretrainingSettings(**(fields | changes))


def documents() -> list[list[list[int]]]:
    """Documents in which each letter is followed by the next one of the alphabet: something to learn."""
    choose = random.Random(0)  # noqa: S311 - no secrets

    def sentence() -> list[int]:
        first, length = choose.randrange(20), choose.randint(2, 12)
        return [5 + (first + place) % 26 for place in range(length)]

    return [[sentence() for _ in range(choose.randint(2, 6))] for _ in range(40)]


def batches_of(
    world: World,
    *,
    sentence_order: bool = True,
    second_objective: SecondObjective = "sentence_order",
    packing: bool = False,
    seed: int = 1,
) -> PretrainingBatches:
    ids = np.arange(len(ENTRIES))
    table = TokenTable(0, 2, 3, 4, len(ENTRIES), ids >= 25, ids < 5)
    return PretrainingBatches(
        IndexedDataset(world.tokens),
        table,
        max_tokens=24,
        second_objective=second_objective if sentence_order else "none",
        masking=Masking(),
        seed=seed,
        packing=packing,
    )


def bytes_of(work: Path) -> dict[str, bytes]:
    return {path.relative_to(work).as_posix(): path.read_bytes() for path in work.rglob("*") if path.is_file()}

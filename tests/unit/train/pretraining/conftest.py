"""The folders that pretraining reads, and a finished run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.train.assemble import create_start, pretrain
from domainlm.vocab.vocabulary import Vocabulary

sys.path.insert(0, str(Path(__file__).parent))  # pretraining_world, for the tests too
from pretraining_world import CONFIG, ENTRIES, World, documents


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, write_dataset: Callable[..., None]) -> World:
    folder = tmp_path_factory.mktemp("world")
    (folder / "vocabulary").mkdir()
    (folder / "vocab.txt").write_text("\n".join(ENTRIES) + "\n")
    Vocabulary.load(folder / "vocab.txt", cased=True).save(folder / "vocabulary")
    write_dataset(folder / "tokens", documents())
    create_start(CONFIG, sentence_order=True, seed=3, vocabulary=folder / "vocabulary", folder=folder / "start")
    return World(folder / "vocabulary", folder / "tokens", folder / "start")


@pytest.fixture(scope="module")
def undisturbed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("undisturbed")
    pretrain(**world.arguments(work))
    return work

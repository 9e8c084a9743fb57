"""From folders to folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pretraining_world import CONFIG, ENTRIES, World, batches_of, bytes_of

from domainlm.errors import ModelError
from domainlm.model.files import read_config
from domainlm.train.assemble import create_start, pretrain
from domainlm.train.corpora import EncodedCorpus, Mixture, epochs_read
from domainlm.vocab.vocabulary import Vocabulary


def test_a_model_comes_out(undisturbed: Path, world: World) -> None:
    assert sorted(bytes_of(undisturbed)) == [
        "metrics.jsonl",
        "model/config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
    ]
    folder = read_config(undisturbed / "model")
    assert (folder.kind, folder.model, folder.extra["sentence_order"]) == ("pretraining", CONFIG, True)
    assert Vocabulary.load(undisturbed / "model").digest == Vocabulary.load(world.vocabulary).digest
    lines = [json.loads(line) for line in (undisturbed / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 17))
    keys = ["step", "loss", "masked_lm", "sentence_order", "learning_rate", "gradient_norm", "num_tokens"]
    assert all(list(line) == keys for line in lines)


def test_the_first_loss_is_that_of_guessing(undisturbed: Path) -> None:
    first = json.loads((undisturbed / "metrics.jsonl").read_text().splitlines()[0])

    assert first["masked_lm"] == pytest.approx(np.log(len(ENTRIES)), abs=0.1)
    assert first["sentence_order"] == pytest.approx(np.log(2), abs=0.1)


def test_no_steps_leave_the_start_as_it_is(world: World, tmp_path: Path) -> None:
    pretrain(**world.arguments(tmp_path, num_steps=0))

    start = (world.start / "model.safetensors").read_bytes()
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == start
    assert (tmp_path / "metrics.jsonl").read_bytes() == b""


def test_a_run_that_is_done_is_not_done_again(undisturbed: Path, world: World) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}
    pretrain(**world.arguments(undisturbed))

    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")} == before


def test_a_start_with_a_head_trains_without_it(world: World, tmp_path: Path) -> None:
    pretrain(**world.arguments(tmp_path, num_steps=2, second_objective="none"))

    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert all(line["loss"] == line["masked_lm"] and "sentence_order" not in line for line in lines)


@pytest.mark.parametrize("packing", [True, False])
def test_pairs_may_be_of_the_other_kind(world: World, tmp_path: Path, packing: bool) -> None:
    arguments = world.arguments(tmp_path, num_steps=2, second_objective="next_sentence", packing=packing)
    pretrain(**arguments)

    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["next_sentence"] for line in lines] == pytest.approx([np.log(2)] * 2, abs=0.1)
    assert all(line["loss"] == pytest.approx(line["masked_lm"] + line["next_sentence"]) for line in lines)
    batches = batches_of(world, second_objective="next_sentence", packing=packing, seed=3)
    mixture = Mixture([EncodedCorpus("letters", world.tokens)])
    epochs = epochs_read(arguments["settings"], mixture, world.vocabulary)
    assert epochs == {"letters": 12 / batches.num_sequences}


def test_settings_the_model_cannot_follow_are_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"(?s)max_tokens is above.*given:   64.*at most 32"):
        pretrain(**world.arguments(tmp_path, max_tokens=64))
    create_start(CONFIG, sentence_order=False, seed=3, vocabulary=world.vocabulary, folder=tmp_path / "start")
    arguments = world.arguments(tmp_path) | {"start": tmp_path / "start"}
    with pytest.raises(ModelError, match="no head for pairs"):
        pretrain(**arguments)


def test_a_vocabulary_of_another_size_is_refused(world: World, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join([*ENTRIES, "more"]) + "\n")
    with pytest.raises(ModelError, match=r"(?s)do not belong together.*32 entries.*31"):
        pretrain(**world.arguments(tmp_path / "work") | {"vocabulary": tmp_path / "vocab.txt"})
    with pytest.raises(ModelError, match="do not belong together"):
        create_start(CONFIG, sentence_order=True, seed=0, vocabulary=tmp_path / "vocab.txt", folder=tmp_path / "start")

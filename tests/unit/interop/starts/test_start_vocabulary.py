"""Starts with another vocabulary: the corpus's own, or grown by its words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from start_recipes import LEARNED, MakeSource, artifact, describe, run, write_recipe

from domainlm.api import ProblemLog
from domainlm.errors import RecipeError
from domainlm.model.files import read_config
from domainlm.recipe.schema import ModelSettings, StartSettings
from domainlm.study.stage import StageContext
from domainlm.study.stages import start
from domainlm.study.stages.start import CarryStage
from domainlm.train.observer import NullObserver
from domainlm.vocab.vocabulary import Vocabulary


@pytest.mark.parametrize("how", ["mean", "random", "similarity"])
def test_a_start_goes_over_to_the_corpus_s_vocabulary(how: str, make_source: MakeSource, tmp_path: Path) -> None:
    source, theirs = make_source("bert")
    out, results = run(write_recipe(tmp_path, source), *LEARNED, f"start.vocabulary_transfer={how}")
    folder, manifest = artifact(out, "carry")
    carried = manifest["facts"]["carried"]
    counts = {key: value for key, value in carried.items() if key.startswith("num_")}
    assert counts["num_new"] == sum(
        counts[f"num_{key}"] for key in ("special", "copied", "averaged", "mixed", "random")
    )
    assert counts["num_special"] == 5
    assert counts["num_copied"] == counts["num_shared"] > 5
    assert (counts["num_averaged"] == 0) is (how == "random")
    assert (counts["num_mixed"] > 0) is (how == "similarity")
    config = read_config(folder / "model").model
    assert config.vocabulary_size == counts["num_new"] == results["rows"][0]["vocabulary_size"]
    old, new = Vocabulary.load(source), Vocabulary.load(folder / "model")
    tensors = load_file(folder / "model" / "model.safetensors")
    words, bias = theirs.bert.embeddings.word_embeddings.weight, theirs.cls.predictions.bias
    for name in ("[MASK]", "[CLS]", "ship"):
        mine, other = ({entry: n for n, entry in enumerate(each.tokens(range(each.size)))}[name] for each in (new, old))
        assert torch.equal(tensors["encoder.embeddings.word.weight"][mine], words[other])
        assert tensors["masked_lm.bias"][mine] == bias[other]
    kept = "encoder.layers.0.feed_forward.inner.weight"
    assert torch.equal(tensors[kept], theirs.bert.encoder.layer[0].intermediate.dense.weight)
    assert "new entries: " + how in describe(tmp_path / "harbour.toml", *LEARNED, f"start.vocabulary_transfer={how}")


def test_a_start_may_grow_by_the_words_of_the_corpus(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert")
    recipe = write_recipe(tmp_path, source)
    text = "Lighthouses seasides the ship. " * 9
    (tmp_path / "logs.txt").write_text((tmp_path / "logs.txt").read_text() + "\n\n" + text, encoding="utf-8")
    out, results = run(recipe, "vocabulary.num_added_words=2", "corpus.held_out_share=0.2")
    assert results["rows"][0]["vocabulary_size"] == 30
    vocabularies = [json.loads(path.read_text()) for path in (out / "artifacts" / "vocabulary").glob("*/manifest.json")]
    grown = next(each["facts"] for each in vocabularies if "best_added_words" in each["facts"])
    assert set(grown["best_added_words"]) == {"lighthouses", "seasides"}
    assert artifact(out, "carry")[1]["facts"]["carried"]["num_averaged"] == 2
    with pytest.raises(RecipeError, match="only core/start can be grown"):
        describe(recipe, *LEARNED, "vocabulary.num_added_words=2")


def test_similarity_looks_at_all_parts_of_the_corpus(
    make_source: MakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = make_source("bert")
    (tmp_path / "text").mkdir()
    lines = [f"Line {number} says nothing at all." for number in range(1_000)]
    (tmp_path / "text" / "train.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "vocabulary").symlink_to(source)
    given: dict[str, Any] = {}
    monkeypatch.setattr(start, "carry_vocabulary", lambda *_, **named: given.update(named) or (_Config, {}))

    def carry(how: str) -> CarryStage:
        settings = StartSettings(vocabulary_transfer=how, max_similarity_sub_tokens=2_000)
        return CarryStage(label="x", inputs={}, transfer=settings, settings=ModelSettings(), seed=0)

    inputs = {"start": tmp_path, "vocabulary": tmp_path, "corpus": tmp_path}
    carry("similarity").make(StageContext(tmp_path / "out", inputs, ProblemLog(), NullObserver()))

    read = [int(sentence.split()[1]) for sentence in given["sentences"]][
        : 2_000 // 12
    ]  # as many as there are tokens for
    assert [sum(first <= place < first + 250 for place in read) // 10 for first in range(0, 1_000, 250)] == [4] * 4
    assert "similarity" in carry("similarity").identity()
    assert "similarity" not in carry("mean").identity()
    assert ["mean" in carry(how).identity() for how in ("mean", "similarity", "random")] == [True, True, False]


class _Config:
    num_parameters = 0

    @staticmethod
    def as_dict() -> dict[str, Any]:
        return {}

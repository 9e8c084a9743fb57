"""Recipes that start from a model: its vocabulary, its shape, its weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from start_recipes import RECIPE, WORDS, MakeSource, artifact, describe, run, write_recipe

from domainlm.errors import ModelError, RecipeError
from domainlm.interop.importing import import_model
from domainlm.model.files import read_config


def test_a_recipe_starts_from_a_folder_with_its_vocabulary_and_shape(make_source: MakeSource, tmp_path: Path) -> None:
    source, theirs = make_source("bert")
    out, results = run(write_recipe(tmp_path, source))
    folder, manifest = artifact(out, "start")
    assert manifest["facts"]["taken"] == {"unexpected": [], "initialised": [], "notes": []}
    config = read_config(folder / "model").model
    assert (config.layers, config.vocabulary_size, config.padded_vocabulary_size) == (3, 28, 64)
    stored = load_file(folder / "model" / "model.safetensors")
    words = theirs.bert.embeddings.word_embeddings.weight
    assert torch.equal(stored["encoder.embeddings.word.weight"][:28], words)
    row = results["rows"][0]
    assert (row["start"], row["size"], row["vocabulary"]) == ("huggingface", "start/bertformaskedlm", "core/start")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        Path(name).name for name in results["lock"]["files"]
    }
    trained = load_file(artifact(out, "pretrain")[0] / "model" / "model.safetensors")
    assert not torch.equal(
        trained["encoder.layers.0.feed_forward.inner.weight"], stored["encoder.layers.0.feed_forward.inner.weight"]
    )


def test_zero_steps_score_the_start_itself(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("megatron", "Model")
    out, results = run(write_recipe(tmp_path, source, steps=0))
    assert {row["metric"] for row in results["rows"]} >= {"masked_lm_loss"}
    assert set(artifact(out, "start")[1]["facts"]["taken"]["unexpected"]) == {
        "pooler.dense.weight",
        "pooler.dense.bias",
    }
    assert (out / "models" / "harbour" / "language-model" / "tokenizer.json").is_file()


def test_a_model_of_ours_is_a_start_too(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert")
    import_model(source, tmp_path / "ours")
    recipe = write_recipe(tmp_path, tmp_path / "ours", RECIPE.replace("huggingface", "model"), steps=0)
    out, _ = run(recipe, "model.vocabulary_multiple=1")
    start = artifact(out, "start")[0] / "model" / "model.safetensors"
    assert start.read_bytes() == (tmp_path / "ours" / "model.safetensors").read_bytes()


def test_a_checkpoint_of_megatron_needs_its_size_and_vocabulary(make_source: MakeSource, tmp_path: Path) -> None:
    source, theirs = make_source("megatron")
    tensors = theirs.state_dict()
    file = tmp_path / "checkpoint.pt"
    torch.save(
        {"model": {"language_model": {"embedding": {}}, "lm_head": {"bias": tensors["cls.predictions.bias"]}}}, file
    )
    recipe = write_recipe(tmp_path, file, RECIPE.replace('"huggingface"', '"megatron"'))
    with pytest.raises(RecipeError, match="comes without its vocabulary"):
        describe(recipe)
    vocabulary = f"start.vocabulary={source / 'tokenizer.json'}"
    with pytest.raises(RecipeError, match=r"model\.size: this key is missing[^\0]*\"megatron\" does not say it"):
        describe(recipe, vocabulary)
    assert "checkpoint.pt" in describe(recipe, vocabulary, "model.size=core/tiny")
    with pytest.raises(ModelError, match="not a checkpoint of BERT"):
        run(recipe, vocabulary, "model.size=core/tiny")


def test_the_plan_changes_with_the_bytes_of_the_start(make_source: MakeSource, tmp_path: Path) -> None:
    source, theirs = make_source("bert")
    recipe = write_recipe(tmp_path, source)
    before = describe(recipe)
    assert "bertForMaskedLM" in before
    assert describe(recipe) == before
    theirs.bert.pooler = None
    with torch.no_grad():
        theirs.cls.predictions.bias[0] += 1.0
    theirs.save_pretrained(source)
    after = describe(recipe)
    keys = [{line.split()[4] for line in text.splitlines() if " start " in line} for text in (before, after)]
    assert len(keys[0]) == len(keys[1]) == 1
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["start.kind=random"], r'model.size: this key is missing[^\0]*"huggingface" or "model"'),
        (["start.kind=random", "model.size=core/tiny", "vocabulary.spec=core/start"], "start is random"),
        (["model.size=core/tiny"], "the start has layers 3, and core/tiny has 2"),
        (["model.architecture=megatron"], "the start has the architecture 'bert'"),
        (["vocabulary.size=100"], "the vocabulary is that of the start"),
        (["start.hub=a/b"], "give one of path and hub"),
        (["start.kind=model", "start.hub=a/b"], "comes from the hub"),
        (["start.revision=v2"], r"start\.revision: a revision is that of a model on the hub"),
        (["pretraining.max_tokens=64"], "above the 32 positions"),
    ],
)
def test_what_does_not_fit_the_start_is_refused(
    overrides: list[str], message: str, make_source: MakeSource, tmp_path: Path
) -> None:
    source, _ = make_source("bert")
    with pytest.raises(RecipeError, match=message):
        describe(write_recipe(tmp_path, source), *overrides)


@pytest.mark.parametrize("key", ["path", "hub", "vocabulary", "revision"])
def test_a_model_without_its_kind_is_not_passed_over(key: str, tmp_path: Path) -> None:
    text = RECIPE.replace('kind = "huggingface"\npath', key)
    recipe = write_recipe(tmp_path, tmp_path, text)
    with pytest.raises(RecipeError, match=rf"start\.{key}: a model to start from is described(.|\n)*huggingface"):
        describe(recipe, "model.size=core/tiny")
    describe(recipe, "model.size=core/tiny", "start.kind=random", "vocabulary.size=60")  # fresh weights are asked for


def test_a_start_that_is_not_there_is_named(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, tmp_path / "nowhere")
    with pytest.raises(ModelError, match="no such folder"):
        describe(recipe)
    recipe = write_recipe(tmp_path, tmp_path, RECIPE.replace('path = "SOURCE"\n', ""))
    with pytest.raises(RecipeError, match="not named"):
        describe(recipe)


def test_domain_and_general_text_are_scored_before_and_after(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert")
    general = '\n[general]\nspec = "core/text"\nfiles = ["general.txt"]\nheld_out_share = 0.5\n'
    recipe = write_recipe(tmp_path, source, RECIPE + general, steps=3)
    lines = [f"A sea light left {word} in the tide." for word in WORDS * 3]
    (tmp_path / "general.txt").write_text("\n\n".join(lines), encoding="utf-8")
    out, results = run(recipe, "pretraining.optimizer.learning_rate=0.01")
    losses = {
        (row["dataset"], row["protocol"], row["steps"]): row["value"]
        for row in results["rows"]
        if row["metric"] == "masked_lm_loss"
    }
    usual = "held-out documents, fixed masks"
    assert losses.keys() == {
        *(("core/text", f"{usual}, before pretraining", 0), ("core/text", usual, 3)),
        *(("core/text (general text)", f"{usual}, before pretraining", 0), ("core/text (general text)", usual, 3)),
    }
    assert losses["core/text", usual, 3] < losses["core/text", f"{usual}, before pretraining", 0]
    assert "core/text (general text)" in (out / "report.md").read_text("utf-8")
    assert "general.txt" in {Path(name).name for name in results["lock"]["files"]}
    _, unscored = run(
        recipe, "pretraining.num_steps=0", "start.kind=random", "model.size=core/tiny", "vocabulary.size=60"
    )
    assert sum(row["metric"] == "masked_lm_loss" for row in unscored["rows"]) == 2

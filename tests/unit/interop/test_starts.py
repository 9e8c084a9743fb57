"""Recipes that start from a model: which vocabulary, which shape, which weights; and the names of the hub."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from domainlm.api import ProblemLog
from domainlm.cli.group import cli
from domainlm.cli.state import CliState
from domainlm.errors import FetchError, ModelError, RecipeError, StorageError, UserError
from domainlm.fetch.hub import hub_folder
from domainlm.interop import importing
from domainlm.interop.export import export_huggingface
from domainlm.interop.importing import import_model
from domainlm.model.files import read_config
from domainlm.plugin import load_plugins
from domainlm.recipe.schema import ModelSettings, StartSettings
from domainlm.study.run import describe_run, run_recipe
from domainlm.study.stage import StageContext
from domainlm.study.stages import start
from domainlm.study.stages.start import CarryStage
from domainlm.train.observer import NullObserver
from domainlm.vocab.vocabulary import Vocabulary

MakeSource = Callable[..., tuple[Path, Any]]

RECIPE = """
name = "harbour"
[corpus]
spec = "core/text"
files = ["logs.txt"]
held_out_share = 0.3
[start]
kind = "huggingface"
path = "SOURCE"
[pretraining]
num_steps = STEPS
num_sequences_per_step = 4
num_sequences_per_micro_batch = 4
max_tokens = 16
second_objective = "none"
[runtime]
num_threads = 1
"""
WORDS = ["the", "ship", "left", "harbour", "a", "pilot", "sailed", "in", "oslo", "light", "sea", "keel", "mast"]


def write_recipe(folder: Path, source: Path, text: str = RECIPE, steps: int = 2) -> Path:
    lines = [" ".join(WORDS[(n + k) % len(WORDS)] for k in range(8)).capitalize() + "." for n in range(40)]
    (folder / "logs.txt").write_text("\n\n".join(lines), encoding="utf-8")
    recipe = folder / "harbour.toml"
    recipe.write_text(text.replace("SOURCE", str(source)).replace("STEPS", str(steps)), encoding="utf-8")
    return recipe


def run(recipe: Path, *overrides: str) -> tuple[Path, dict[str, Any]]:
    out = recipe.parent / "out"
    run_recipe(recipe, out=out, store=None, overrides=overrides, plugins=load_plugins())
    return out, json.loads((out / "results.json").read_text("utf-8"))


def artifact(out: Path, kind: str) -> tuple[Path, dict[str, Any]]:
    (folder,) = (path for path in (out / "artifacts" / kind).iterdir() if path.is_dir())
    return folder, json.loads((folder / "manifest.json").read_text("utf-8"))


def describe(recipe: Path, *overrides: str) -> str:
    return describe_run(recipe, out=recipe.parent / "planned", store=None, overrides=overrides, plugins=load_plugins())


def call(*arguments: str) -> Result:
    state = CliState()
    state.all_plugins = load_plugins()
    return CliRunner().invoke(cli, arguments, obj=state)


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


def test_the_command_lists_what_became_of_the_tensors(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert", "Model", rows=30)
    out = tmp_path / "ours"
    ended = call("model", "import", str(source), str(out))
    assert ended.exit_code == 0, ended.output
    assert "missing, drawn anew: masked_lm.bias, masked_lm.dense.weight" in ended.output
    assert "not used: pooler.dense.weight, pooler.dense.bias" in ended.output
    assert "bert, 3 layers of 24, 4 heads," in ended.output
    assert "28 entries and 2 rows of padding" in ended.output
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert isinstance(call("model", "import", str(source), str(out)).exception, StorageError)
    assert call("model", "import", str(source), str(out), "--force").exit_code == 0


def test_an_import_that_fails_leaves_nothing(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert", rows=20)
    with pytest.raises(ModelError):
        import_model(source, tmp_path / "ours" / "deep")
    with pytest.raises(ModelError, match="no such file or folder"):
        import_model(tmp_path / "nowhere", tmp_path / "ours")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="not a model"):
        import_model(tmp_path / "empty", tmp_path / "ours")
    assert not (tmp_path / "ours" / "deep").exists()


def test_a_folder_that_is_not_there_is_no_name_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("my-bert", "a/b/c", str(tmp_path / "nowhere")):
        with pytest.raises(ModelError, match=r"no such file or folder(.|\n)*ORGANISATION/MODEL"):
            import_model(name, tmp_path / "ours")

    def unreachable(name: str, revision: str | None) -> Path:
        raise FetchError("the hub cannot be reached", where=f"hub: {name}", given=revision)

    monkeypatch.setattr(importing, "hub_folder", unreachable)
    with pytest.raises(FetchError, match="pilot: there is no such folder; and on the Hugging Face hub: the hub"):
        import_model("harbour/pilot", tmp_path / "ours")


KEPT = (
    "pretraining.num_steps_per_kept_checkpoint=2",
    "pretraining.num_steps_per_checkpoint=2",
    "pretraining.optimizer.learning_rate=0.01",
)


def test_the_optimizer_goes_on_from_a_checkpoint(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert")
    recipe = write_recipe(tmp_path, source, steps=3)
    out, _ = run(recipe, *KEPT)
    folder = artifact(out, "pretrain")[0]
    checkpoint = folder / "checkpoints" / "step-00000002"
    further = tmp_path / "further.toml"
    further.write_text(recipe.read_text("utf-8").replace("huggingface", "model").replace(str(source), str(checkpoint)))
    told: dict[str, list[Any]] = {}
    for how in ("carried", "fresh"):
        overrides = [
            f"start.optimizer={how}",
            "pretraining.num_steps_per_kept_checkpoint=1",
            "pretraining.num_steps_per_checkpoint=1",
            "pretraining.num_steps=20",
        ]
        place = tmp_path / how
        run_recipe(further, out=place, store=None, overrides=overrides, plugins=load_plugins())
        (first,) = (place / "artifacts" / "pretrain").glob("*/checkpoints/step-00000001")
        moments = load_file(next(first.glob("optimizer-*.safetensors")))
        (log,) = (place / "logs").glob("pretrain-*")
        rates = [json.loads(line)["learning_rate"] for line in log.read_text("utf-8").splitlines()]
        start = load_file(artifact(place, "start")[0] / "model" / "model.safetensors")
        told[how] = [float(moments["masked_lm.dense.weight|step"]), rates, start, moments]
    assert (told["carried"][0], told["fresh"][0]) == (3.0, 1.0)
    assert told["carried"][1] == told["fresh"][1]
    assert told["carried"][1][:2] == pytest.approx([0.5e-4, 1e-4])  # warmed up anew: a tenth of 20 steps
    stored = load_file(next(checkpoint.glob("weights-*.safetensors")))
    kept = load_file(next(checkpoint.glob("optimizer-*.safetensors")))
    carried = load_file(artifact(tmp_path / "carried", "start")[0] / "optimizer.safetensors")
    for name, tensor in stored.items():
        assert torch.equal(told["carried"][2][name], tensor)
    assert kept.keys() == carried.keys()
    assert all(torch.equal(kept[name], carried[name]) for name in kept)
    assert not torch.equal(
        told["carried"][3]["masked_lm.dense.weight|exp_avg_sq"], told["fresh"][3]["masked_lm.dense.weight|exp_avg_sq"]
    )
    with pytest.raises(RecipeError, match="belongs to the vocabulary of the start"):
        describe(further, "start.optimizer=carried", *LEARNED)
    assert call("model", "inspect", str(checkpoint)).output.startswith("format: model, pretraining\n")


def test_a_start_without_an_optimizer_s_state_is_refused(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert")
    import_model(source, tmp_path / "ours")
    for kind, path in (("huggingface", source), ("model", tmp_path / "ours"), ("random", source)):
        recipe = write_recipe(tmp_path, path, RECIPE.replace("huggingface", kind))
        with pytest.raises(RecipeError, match=r"no optimizer state to carry(.|\n)*num_steps_per_kept_checkpoint"):
            describe(recipe, "start.optimizer=carried")


_ASK = """
import sys
from domainlm.errors import UserError
from domainlm.fetch.hub import hub_folder
try:
    print(hub_folder("harbour/pilot", None))
except UserError as error:
    print(f"{type(error).__name__}: {error}")
"""


def test_a_name_of_the_hub_is_found_in_its_cache_offline(make_source: MakeSource, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    source, _ = make_source("bert")
    cache = tmp_path / "cache"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache)}

    def ask() -> str:
        ended = subprocess.run(
            [sys.executable, "-c", _ASK], env=environment, capture_output=True, text=True, check=True, timeout=50
        )
        return ended.stdout.strip()

    assert ask().startswith("FetchError: hub: harbour/pilot: the hub cannot be reached, and its cache does not hold")
    model, commit = cache / "models--harbour--pilot", "0" * 40
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(commit, encoding="utf-8")
    shutil.copytree(source, model / "snapshots" / commit)
    assert ask() == str(model / "snapshots" / commit)


def test_a_wrong_name_of_the_hub_is_refused() -> None:
    pytest.importorskip("huggingface_hub")
    with pytest.raises(UserError, match="not a name of the hub"):
        hub_folder("a/b/c", None)


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


LEARNED = ("vocabulary.spec=core/wordpiece", "vocabulary.size=78", "vocabulary.cased=false")


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


def test_a_model_of_a_run_leaves_with_a_card(make_source: MakeSource, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    source, _ = make_source("bert")
    out, results = run(
        write_recipe(tmp_path, source, RECIPE.replace("[corpus]", 'description = "Ships."\n[corpus]', 1))
    )
    model, exported = out / "models" / "harbour" / "language-model", tmp_path / "harbour-bert"
    ended = call("model", "export", str(model), str(exported))
    assert ended.exit_code == 0, ended.output
    assert ended.output.endswith(f"{exported}: transformers.BertForMaskedLM.from_pretrained\n")
    card = (exported / "README.md").read_text("utf-8")
    assert card.startswith(
        "---\nlibrary_name: transformers\ntags:\n- domainlm\npipeline_tag: fill-mask\n---\n\n# harbour-bert\n"
    )
    loss = next(row for row in results["rows"] if row["metric"] == "masked_lm_loss")
    row = f"| core/text | held-out | masked_lm_loss | {loss['protocol']} | 0 | {loss['value']:.6g} |"
    digest = next(facts["sha256"] for name, facts in results["lock"]["files"].items() if name.endswith("logs.txt"))
    for part in ("\nShips.\n", row, f"| logs.txt | `{digest}` |", "[pretraining]\nnum_steps = 2", "[packages]\n"):
        assert part in card
    lines = re.search(r"```python\n(.*?)```", card, flags=re.DOTALL)
    assert lines is not None
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{lines[1]}\nprint(type(model).__name__, len(tokenizer))"],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=55,
    )
    assert ended.stdout == "BertForMaskedLM 28\n"
    assert transformers.__version__


def test_models_are_compared_tensor_by_tensor(make_source: MakeSource, tmp_path: Path) -> None:
    source, theirs = make_source("bert")
    import_model(source, tmp_path / "ours")
    same = call("model", "compare", str(source), str(tmp_path / "ours"))
    assert (same.exit_code, same.output) == (0, "46 of 46 tensors are equal\n")
    with torch.no_grad():
        theirs.bert.encoder.layer[1].output.dense.weight[0, 0] += 0.5
    theirs.save_pretrained(tmp_path / "other")
    ended = call("model", "compare", str(tmp_path / "ours"), str(tmp_path / "other"), "--json")
    assert ended.exit_code == 1
    assert f"the vocabularies were not compared: {tmp_path / 'other'}: " in ended.stderr
    found = json.loads(ended.stdout)
    (changed,) = (entry for entry in found["tensors"] if entry["largest"])
    assert changed["name"] == "encoder.layers.1.feed_forward.output.weight"
    assert changed["largest"] == pytest.approx(0.5, abs=1e-6)
    weight = theirs.bert.encoder.layer[1].output.dense.weight.detach().clone()
    weight[0, 0] -= 0.5
    assert changed["share"] == pytest.approx(float(0.5 / weight.square().sum().sqrt()), rel=1e-4)
    shown = call("model", "compare", str(tmp_path / "ours"), str(tmp_path / "other")).output
    assert "encoder.layers.1.feed_forward.output.weight" in shown
    assert shown.endswith("45 of 46 tensors are equal\n")


def test_other_vocabularies_make_other_models_and_padding_does_not(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert", rows=64)
    import_model(source, tmp_path / "padded")
    export_huggingface(tmp_path / "padded", tmp_path / "bare")
    same = call("model", "compare", str(tmp_path / "padded"), str(tmp_path / "bare"))
    assert (same.exit_code, same.output) == (0, "46 of 46 tensors are equal\n")
    entries = (source / "vocab.txt").read_text("utf-8").split()
    swapped = [*entries[:-2], entries[-1], entries[-2], "further"]
    (tmp_path / "other.txt").write_text("\n".join(swapped) + "\n", encoding="utf-8")
    import_model(source, tmp_path / "other", vocabulary=tmp_path / "other.txt")
    shown = call("model", "compare", str(tmp_path / "padded"), str(tmp_path / "other"))
    assert shown.exit_code == 1
    assert shown.output.startswith(
        "46 of 46 tensors are equal\nthe vocabularies differ: 28 and 29 entries, 28 in both, 26 "
    )
    found = json.loads(call("model", "compare", str(tmp_path / "other"), str(tmp_path / "padded"), "--json").output)
    assert found["equal"] is False
    assert found["vocabularies"] == {"first": 29, "second": 28, "num_shared": 28, "num_in_place": 26}


def test_a_model_is_described(make_source: MakeSource, tmp_path: Path) -> None:
    source, theirs = make_source("megatron", "Model")
    shown = call("model", "inspect", str(source), "--tensors").output
    assert shown.startswith("format: huggingface\nlayers: 3\nhidden: 24\nheads: 4\n")
    assert "heads on the encoder: sentence_order" in shown
    found = json.loads(call("model", "inspect", str(source), "--json").output)
    assert found["parameters"] == sum(parameter.numel() for parameter in theirs.parameters())
    words = found["tensors"]["encoder.embeddings.word.weight"]
    assert (words["shape"], words["dtype"]) == ([28, 24], "float32")
    assert words["mean"] == pytest.approx(float(theirs.embeddings.word_embeddings.weight.detach().mean()), abs=1e-6)
    import_model(source, tmp_path / "ours")
    assert call("model", "inspect", str(tmp_path / "ours")).output.startswith("format: model, pretraining\n")


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

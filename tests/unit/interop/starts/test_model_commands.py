"""`domainlm model import`, `inspect`, `compare` and `export`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from start_recipes import RECIPE, MakeSource, call, run, write_recipe

from domainlm.errors import ModelError, StorageError
from domainlm.interop.export import export_huggingface
from domainlm.interop.importing import import_model


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

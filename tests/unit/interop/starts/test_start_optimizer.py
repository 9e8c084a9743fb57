"""The optimizer's state of a start's checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from start_recipes import LEARNED, RECIPE, MakeSource, artifact, call, describe, run, write_recipe

from domainlm.errors import RecipeError
from domainlm.interop.importing import import_model
from domainlm.plugin import load_plugins
from domainlm.study.run import run_recipe

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

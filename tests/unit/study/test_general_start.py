"""A start that the run itself pretrains on general text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.errors import RecipeError
from domainlm.plugin import load_plugins
from domainlm.recipe.load import load_recipe
from domainlm.study.run import plan_run, run_recipe

RECIPE = """
name = "harbour"
[corpus]
spec = "core/text"
files = ["logs.txt"]
held_out_share = 0.2
[general]
spec = "core/text"
files = ["letters.txt"]
held_out_share = 0.2
[start]
kind = "general"
num_steps = 2
vocabulary = "vocab.txt"
[model]
size = "core/tiny"
[pretraining]
num_steps = 3
num_sequences_per_step = 4
num_sequences_per_micro_batch = 4
max_tokens = 16
second_objective = "none"
[runtime]
num_threads = 1
"""


@pytest.fixture
def recipe(tmp_path: Path, write_two_corpora: Callable[[Path], None]) -> Path:
    write_two_corpora(tmp_path)
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyzAM0123456789."]
    entries += [f"##{entry}" for entry in entries[5:]]
    (tmp_path / "vocab.txt").write_text("\n".join(entries), encoding="utf-8")
    path = tmp_path / "harbour.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def kinds(recipe: Path, *overrides: str) -> list[str]:
    plugins = load_plugins(candidates=[])
    planned = plan_run(recipe, out=recipe.parent / "out", store=None, overrides=overrides, plugins=plugins)
    return [stage.kind for stage in planned.graph.ordered()]


def test_the_general_model_is_pretrained_first_and_carried_where_the_vocabulary_changes(recipe: Path) -> None:
    assert [kind for kind in kinds(recipe) if kind in {"start", "general", "carry", "pretrain"}] == [
        "start",
        "general",
        "pretrain",
    ]
    other = kinds(recipe, "vocabulary.spec=core/wordpiece", "vocabulary.size=60")
    assert [kind for kind in other if kind in {"start", "general", "carry", "pretrain"}] == [
        "start",
        "general",
        "carry",
        "pretrain",
    ]


def test_a_run_scores_the_general_model_and_the_one_that_went_on(recipe: Path) -> None:
    plugins = load_plugins(candidates=[])
    run_recipe(recipe, out=recipe.parent / "out", store=None, overrides=(), plugins=plugins)
    rows = json.loads((recipe.parent / "out" / "results.json").read_text("utf-8"))["rows"]
    losses = {(row["dataset"], row["steps"]): row["value"] for row in rows if row["metric"] == "masked_lm_loss"}
    assert set(losses) == {(name, steps) for name in ("core/text", "core/text (general text)") for steps in (0, 3)}
    assert all(losses[name, 0] != losses[name, 3] for name in ("core/text", "core/text (general text)"))
    assert {row["start"] for row in rows} == {"general"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("start.kind=random", "start.num_steps is for"),
        ("start.num_steps=0", "greater than or equal to 1"),
    ],
)
def test_what_does_not_fit_together_is_refused(recipe: Path, change: str, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        load_recipe(recipe, [change])


def test_general_text_and_a_vocabulary_are_asked_for(recipe: Path) -> None:
    text = recipe.read_text("utf-8")
    recipe.write_text(
        text.replace('[general]\nspec = "core/text"\nfiles = ["letters.txt"]\nheld_out_share = 0.2\n', "")
    )
    with pytest.raises(RecipeError, match=r"needs \[general\]"):
        load_recipe(recipe)
    recipe.write_text(text.replace('vocabulary = "vocab.txt"\n', ""))
    with pytest.raises(RecipeError, match="a vocabulary of its own"):
        kinds(recipe)

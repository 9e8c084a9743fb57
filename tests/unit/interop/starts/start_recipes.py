"""A recipe that starts from a model, and what is made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from domainlm.cli.group import cli
from domainlm.cli.state import CliState
from domainlm.plugin import load_plugins
from domainlm.study.run import describe_run, run_recipe

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
LEARNED = ("vocabulary.spec=core/wordpiece", "vocabulary.size=78", "vocabulary.cased=false")
"""A vocabulary of the corpus, in place of the start's."""
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

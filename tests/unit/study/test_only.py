"""Parts of a study, one after the other, against the whole study at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import domainlm
from domainlm.errors import RecipeError
from domainlm.plugin import load_plugins
from domainlm.study.plan import plan_run
from domainlm.study.run import describe_run
from domainlm.study.stages.finetune import FinetuneStage

pytestmark = pytest.mark.timeout(300)

RECIPE = """
name = "harbour"
seeds = [3, 4]
[corpus]
spec = "core/text"
files = ["logs.txt"]
held_out_share = 0.2
leak_guard = { enabled = false }
[vocabulary]
size = 80
[model]
size = "core/tiny"
[pretraining]
num_steps = 2_000
num_sequences_per_step = 2
num_sequences_per_micro_batch = 2
max_tokens = 16
[finetuning]
num_epochs = 1
num_sequences_per_step = 4
num_sequences_per_micro_batch = 4
max_tokens = 16
[[tasks]]
spec = "core/conll"
name = "ships"
files = { train = ["train.tsv"], dev = ["dev.tsv"], test = ["test.tsv"] }
[[tasks]]
spec = "core/conll"
name = "boats"
files = { train = ["dev.tsv"], dev = ["test.tsv"], test = ["train.tsv"] }
[runtime]
device = "cpu"
num_threads = 1
[[study.arms]]
name = "none: as it starts"
set = { "pretraining.num_steps" = 0 }
[[study.arms]]
name = "short: two steps"
set = { "pretraining.num_steps" = 2 }
"""
MEASURED = """
name = "rates"
[vocabulary]
size = 80
[corpus]
spec = "core/text"
files = ["logs.txt"]
leak_guard = { enabled = false }
[measure]
task_facts = ["examples"]
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, write_ships: Callable[[Path], None]) -> Path:
    folder = tmp_path_factory.mktemp("harbour")
    write_ships(folder)
    (folder / "harbour.toml").write_text(RECIPE, encoding="utf-8")
    return folder / "harbour.toml"


def _scored(out: Path) -> set[tuple[str, str, int]]:
    rows: list[dict[str, Any]] = json.loads((out / "results.json").read_bytes())["rows"]
    return {(row["arm"].partition(":")[0], row["dataset"], row["seed"]) for row in rows if row["stage"] == "finetune"}


def test_parts_come_to_the_whole(recipe: Path, tmp_path: Path) -> None:
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    domainlm.run(recipe, out=parts, only=["arm=short*", "seed=4", "dataset=ships"])
    assert _scored(parts) == {("short", "ships", 4)}
    report = (parts / "report.md").read_text(encoding="utf-8")
    assert "With none: as it starts: no scores on ships; boats." in report
    assert "With short: two steps: no scores on ships for seed 3; boats." in report

    domainlm.run(recipe, out=parts, only=["arm=none*"])
    assert _scored(parts) == {("none", name, seed) for name in ("ships", "boats") for seed in (3, 4)} | {
        ("short", "ships", 4)
    }
    ended = domainlm.run(recipe, out=parts)
    assert ended.num_stages_cached > 0
    domainlm.run(recipe, out=whole)
    assert (parts / "results.json").read_bytes() == (whole / "results.json").read_bytes()


def _kinds(recipe: Path, out: Path, *only: str) -> list[str]:
    planned = plan_run(recipe, out=out, store=None, overrides=(), plugins=load_plugins(), only=only)
    return [stage.kind for stage in planned.stages()]


def test_what_is_made(recipe: Path, tmp_path: Path) -> None:
    assert _kinds(recipe, tmp_path, "arm=none*").count("finetune") == 4
    assert "pretrain" not in _kinds(recipe, tmp_path, "arm=none*")
    assert "lm-score" in _kinds(recipe, tmp_path, "arm=none*")
    one = _kinds(recipe, tmp_path, "arm=short*", "dataset=boats", "seed=3")
    assert sorted(one) == ["corpus", "encode", "finetune", "pretrain", "start", "vocabulary"]
    # Values of one key add up.
    assert _kinds(recipe, tmp_path, "arm=none*", "arm=short*") == _kinds(recipe, tmp_path)
    listed = describe_run(recipe, out=tmp_path, store=None, overrides=(), plugins=load_plugins(), only=["seed=3"])
    assert listed.count("finetune") == 4
    assert "seed 4" not in listed


def test_what_decides_where_pretraining_ends_is_made_too(recipe: Path, tmp_path: Path) -> None:
    """Without it every scored step would be pretrained, and the part would be another one than that of the whole."""
    out, only = tmp_path / "out", ["dataset=boats", "seed=3"]
    stop = ["study.arms=[]", "pretraining.scored_steps=[1, 2, 3]", "pretraining.num_steps=4"]
    stop += ['pretraining.early_stop={task="ships"}']
    planned = plan_run(recipe, out=out, store=None, overrides=stop, plugins=load_plugins(), only=only)
    made = [stage for stage in planned.stages() if isinstance(stage, FinetuneStage)]
    assert {(stage.name, stage.seed) for stage in made} == {("boats", 3), ("ships", 3), ("ships", 4)}
    ended = domainlm.run(recipe, out=out, set=stop, only=only)
    assert ended.results is not None
    results = json.loads(ended.results.read_bytes())
    (found,) = results["early_stops"]
    assert found["task"] == "ships"
    assert found["steps_not_made"]
    pretrained = [*(out / "artifacts" / "pretrain").glob("*/manifest.json")]
    assert len(pretrained) == 4 - len(found["steps_not_made"])


def test_a_varied_key_is_matched_as_toml_writes_numbers(recipe: Path, tmp_path: Path) -> None:
    axes = ["study.arms=[]", 'study.axes={"pretraining.num_steps"=[0, 2000]}']
    plugins = load_plugins()
    for text in ("2_000", "2000", "20*"):
        only = [f"pretraining.num_steps={text}"]
        planned = plan_run(recipe, out=tmp_path, store=None, overrides=axes, plugins=plugins, only=only)
        assert [stage.kind for stage in planned.stages()].count("pretrain") == 1
        assert [stage.kind for stage in planned.stages()].count("finetune") == 4


def test_of_a_study_that_measures(recipe: Path, tmp_path: Path) -> None:
    tasks = RECIPE[RECIPE.index("[[tasks]]") : RECIPE.index("[runtime]")]
    measured = recipe.with_name("rates.toml")
    measured.write_text(MEASURED + tasks, encoding="utf-8")
    assert len(_kinds(measured, tmp_path)) > len(_kinds(measured, tmp_path, "dataset=boats")) > 0


@pytest.mark.parametrize(
    ("only", "said"),
    [
        (["arms=none*"], "nearest: arm"),
        (["arm"], "KEY=VALUE with KEY one of arm, dataset, seed"),
        (["arm=nothing: as it starts"], "nearest: none: as it starts"),
        (["seed=5"], "allowed: 3, 4"),
        (["dataset=ship"], "nearest: ships"),
    ],
)
def test_what_is_not_there_is_one_clear_error(recipe: Path, tmp_path: Path, only: list[str], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        domainlm.run(recipe, out=tmp_path / "out", only=only)
    assert said in str(caught.value)
    assert "--only: " in str(caught.value)
    assert not (tmp_path / "out" / "results.json").exists()

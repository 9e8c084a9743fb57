"""One pretraining scored at several steps, ended early by a dev score, and watched on held-out text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm import hookimpl
from domainlm.api import StepInfo
from domainlm.errors import RecipeError
from domainlm.plugin import load_plugins
from domainlm.plugin.discovery import Candidate
from domainlm.plugin.provider import Provider
from domainlm.recipe.load import load_recipe
from domainlm.study import early_stop
from domainlm.study.run import describe_run, run_recipe

RECIPE = """
name = "harbour"
[corpus]
spec = "core/text"
files = ["logs.txt"]
held_out_share = 0.2
[general]
spec = "core/text"
files = ["general.txt"]
held_out_share = 0.5
[vocabulary]
size = 80
[model]
size = "core/tiny"
[pretraining]
num_steps = 6
num_sequences_per_step = 4
num_sequences_per_micro_batch = 4
max_tokens = 16
second_objective = "none"
[finetuning]
num_epochs = 1
max_tokens = 16
[[tasks]]
spec = "core/conll"
name = "ships"
files = { train = ["train.tsv"], dev = ["dev.tsv"], test = ["test.tsv"] }
[runtime]
num_threads = 1
"""
SCORED = "pretraining.scored_steps=[2, 4]"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, write_ships: Callable[[Path], None]) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    write_ships(folder)
    path = folder / "harbour.toml"
    path.write_text(RECIPE, encoding="utf-8")
    backwards = (" ".join(line.split()[::-1]) for line in (folder / "logs.txt").read_text("utf-8").splitlines())
    (folder / "general.txt").write_text("\n".join(backwards) + "\n", encoding="utf-8")
    return path


def run(recipe: Path, out: Path, store: Path, *overrides: str) -> dict[str, Any]:
    run_recipe(recipe, out=out, store=store, overrides=overrides, plugins=load_plugins())
    results: dict[str, Any] = json.loads((out / "results.json").read_text("utf-8"))
    return results


def weights(out: Path, cell: str) -> bytes:
    return (out / "models" / cell / "language-model" / "model.safetensors").read_bytes()


def pretrained(store: Path) -> dict[str, int]:
    """Names of the finished pretrainings, with their steps."""
    manifests = (json.loads(path.read_text("utf-8")) for path in (store / "pretrain").glob("*/manifest.json"))
    return {each["key"]: each["facts"]["steps"] for each in manifests}


@pytest.fixture(scope="module")
def scored(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    out, store = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("store")
    return out, store, run(recipe, out, store, SCORED)


class Count:
    """Notes each step of pretraining."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    @hookimpl
    def domainlm_step_ended(self, step: StepInfo) -> None:
        if step.phase == "pretrain":
            self.steps.append(step.step)


@pytest.mark.parametrize(
    "also",
    [
        (),
        ("pretraining.num_steps_per_score=2",),
        ("pretraining.early_stop.task=ships", "pretraining.early_stop.patience=9"),
    ],
    ids=["plain", "watched", "may stop"],
)
def test_no_step_is_computed_twice(recipe: Path, tmp_path: Path, also: tuple[str, ...]) -> None:
    count = Count()
    plugins = load_plugins(candidates=[Candidate(Provider("count", "1", "main"), lambda: count)])
    run_recipe(recipe, out=tmp_path / "out", store=tmp_path / "store", overrides=[SCORED, *also], plugins=plugins)
    assert count.steps == [1, 2, 3, 4, 5, 6]
    assert sorted(pretrained(tmp_path / "store").values()) == [2, 4, 6]


def test_a_plan_counts_the_steps_that_are_left(recipe: Path, tmp_path: Path) -> None:
    def pretraining(*overrides: str) -> list[int]:
        plan = describe_run(recipe, out=tmp_path, store=None, overrides=overrides, plugins=load_plugins())
        lines = [line for line in plan.splitlines() if " pretrain " in line]
        return [int(re.search(r"([\d,]+) tokens", line)[1].replace(",", "")) for line in lines]  # type: ignore[index]

    assert pretraining() == [6 * 4 * 16]
    assert pretraining(SCORED) == [2 * 4 * 16] * 3


def test_every_scored_step_is_scored_and_fine_tuned(scored: tuple[Path, Path, dict[str, Any]]) -> None:
    out, store, results = scored
    for stage, metric in (("lm-score", "masked_lm_loss"), ("finetune", "f1")):
        rows = [row for row in results["rows"] if (row["stage"], row["metric"]) == (stage, metric)]
        assert {(row["steps"], row["model"]) for row in rows} == {(n, f"scored_steps={n}") for n in (2, 4, 6)}
    assert sorted(pretrained(store).values()) == [2, 4, 6]
    assert "scored_steps=4" in (out / "report.md").read_text("utf-8")
    assert "no scores" not in (out / "report.md").read_text("utf-8")


def test_the_model_of_a_step_does_not_depend_on_where_the_run_was_cut(
    scored: tuple[Path, Path, dict[str, Any]], recipe: Path, tmp_path: Path
) -> None:
    out, store, _ = scored
    whole, other = tmp_path / "whole", tmp_path / "store"
    run(recipe, whole, other)
    assert weights(whole, "harbour") == weights(out, "scored_steps=6")
    assert set(pretrained(other)) <= set(pretrained(store))
    ended = run(recipe, tmp_path / "ended", other, "pretraining.scored_steps=[3]")
    assert {row["steps"] for row in ended["rows"]} == {3, 6}
    assert weights(tmp_path / "ended", "scored_steps=3") != weights(out, "scored_steps=2")
    finished = next(iter(set(pretrained(other)) & set(pretrained(store))))
    for name in ("model/model.safetensors", "model/config.json", "metrics.jsonl"):
        assert (store / "pretrain" / finished[:24] / name).read_bytes() == (
            other / "pretrain" / finished[:24] / name
        ).read_bytes()
    assert not (store / "pretrain" / finished[:24] / "checkpoints").exists()


def test_a_further_scored_step_trains_nothing_again(
    scored: tuple[Path, Path, dict[str, Any]], recipe: Path, tmp_path: Path
) -> None:
    _, store, _ = scored
    overrides = ["pretraining.scored_steps=[2, 4, 5]"]
    plan = describe_run(recipe, out=tmp_path, store=store, overrides=overrides, plugins=load_plugins())
    to_do = [line.split()[2] for line in plan.splitlines() if " to do " in line and " pretrain " in line]
    assert len(to_do) == 1
    assert "step 5 of 6" in plan


def test_the_language_model_is_watched_on_both_texts(recipe: Path, tmp_path: Path) -> None:
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    run(recipe, plain, tmp_path / "store")
    results = run(recipe, watched, tmp_path / "store", "pretraining.num_steps_per_score=3")
    assert weights(plain, "harbour") == weights(watched, "harbour")
    logs = {
        curve["dataset"]: [json.loads(line) for line in (watched / curve["file"]).read_text("utf-8").splitlines()]
        for curve in results["curves"]
    }
    domain, general = logs["core/text, held-out"], logs["core/text (general text), held-out"]
    assert [point["step"] for point in domain] == [point["step"] for point in general] == [3, 6]
    by_text = {row["dataset"]: row["value"] for row in results["rows"] if row["metric"] == "masked_lm_loss"}
    assert domain[-1]["loss"] == by_text["core/text"] != by_text["core/text (general text)"]
    assert general[-1]["loss"] == by_text["core/text (general text)"]
    assert {curve["dataset"] for curve in results["curves"] if curve.get("split") == "held-out"} == {
        "core/text, held-out",
        "core/text (general text), held-out",
    }
    page, plain_page = ((out / "report.html").read_text("utf-8") for out in (watched, plain))
    assert "Masked-LM loss on held-out text while pretraining" in page
    assert "Masked-LM loss on held-out text while pretraining" not in plain_page
    tables = [(out / "report.md").read_text("utf-8").partition("Final training loss")[2] for out in (watched, plain)]
    assert tables[0].splitlines()[:6] == tables[1].splitlines()[:6]


def test_pretraining_ends_where_a_dev_score_no_longer_rises(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev = iter([0.2, 0.5, 0.4, 0.5])
    monkeypatch.setattr(early_stop, "_dev_score", lambda _: ("f1", next(dev)))
    overrides = [
        *("pretraining.num_steps=12", "pretraining.scored_steps=[2, 4, 6, 8, 10]"),
        *("pretraining.early_stop.task=ships", "pretraining.early_stop.patience=2"),
    ]
    results = run(recipe, tmp_path / "out", tmp_path / "store", *overrides)
    (stop,) = results["early_stops"]
    assert [(each["step"], each["value"]) for each in stop["dev_scores"]] == [(2, 0.2), (4, 0.5), (6, 0.4), (8, 0.5)]
    assert (stop["best_step"], stop["steps_not_made"]) == (4, [10, 12])
    assert {row["steps"] for row in results["rows"]} == {2, 4, 6, 8}
    assert sorted(pretrained(tmp_path / "store").values()) == [2, 4, 6, 8]
    report = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert "This run is not complete" not in report
    assert "F1 of ships on dev was best after step 4 (50.0) and no better after steps 6 and 8" in report
    assert "so there is no model of steps 10 and 12." in report
    assert "scored_steps=10" not in report


def test_the_dev_score_is_that_of_the_first_protocol(scored: tuple[Path, Path, dict[str, Any]]) -> None:
    _, store, results = scored
    folder = next((store / "finetune").glob("*/scores.json"))
    metric, value = early_stop._dev_score(json.loads(folder.read_text("utf-8"))["scores"])
    rows = [row for row in results["rows"] if (row["split"], row["metric"]) == ("dev", metric)]
    assert metric == "f1"
    assert value in {row["value"] for row in rows}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["pretraining.scored_steps=[4, 2]"], "scored_steps must rise"),
        (["pretraining.early_stop.task=ships"], "early_stop needs scored_steps"),
        ([SCORED, "pretraining.max_minutes=1"], "leave out max_minutes"),
        ([SCORED, "pretraining.early_stop.task=ship"], r"no such task(.|\n)*nearest: ships"),
        ([SCORED, "pretraining.early_stop.task=ships", "tasks.0.files.dev=[]"], "no dev split to stop by"),
        (
            ["pretraining.num_steps_per_score=2", "parallel.tensor=2"],
            r"one process trains as a whole(.|\n)*set \[parallel\] data = 1, pipeline = 1, tensor = 1$",
        ),
        (["pretraining.max_minutes=1", "parallel.tensor=2"], "one process trains as a whole"),
        (
            ["pretraining.max_minutes=1", "runtime.precision=bf16_weights"],
            r'leave max_minutes out, or set runtime.precision = "bf16" or "fp32"$',
        ),
        (
            ["pretraining.num_steps_per_score=2", "runtime.precision=fp16", "parallel.activation_checkpointing=1"],
            r'set runtime.precision = "bf16" or "fp32" and parallel.activation_checkpointing = "off"$',
        ),
    ],
)
def test_settings_that_contradict_one_another_are_refused(recipe: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        describe_run(recipe, out=recipe.parent / "no", store=None, overrides=overrides, plugins=load_plugins())


def test_steps_are_scored_in_every_cell(recipe: Path) -> None:
    axes = 'study.axes={"pretraining.num_steps" = [0, 3, 9]}'
    loaded = load_recipe(recipe, [axes, SCORED])
    assert [(each.recipe.pretraining.num_steps, each.recipe.pretraining.last_step) for each in loaded.cells] == [
        *((0, 0), (3, 2), (3, 3), (9, 2), (9, 4), (9, 9))
    ]
    assert re.fullmatch("num_steps=9, scored_steps=4", loaded.cells[4].label)

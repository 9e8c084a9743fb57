"""`domainlm plan`: readable and as JSON, for recipes whose data is not here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.errors import RecipeError

Fixture = Callable[..., Any]

_RECIPE = """
name = "soups"
corpus = { spec = "core/text", files = ["nowhere.txt"] }
vocabulary = { size = 30522 }
model.size = "core/large"

[pretraining]
num_steps = 1000
num_sequences_per_step = 512
num_sequences_per_micro_batch = 8
max_tokens = 512

[runtime]
precision = "bf16"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "soups.toml"
    path.write_text(_RECIPE, encoding="utf-8")
    return str(path)


def planned(call: Fixture, *arguments: str) -> list[dict[str, Any]]:
    result = call("plan", *arguments, "--json")
    assert result.exit_code == 0, result.output
    cells: list[dict[str, Any]] = json.loads(result.output)
    return cells


def test_a_large_model_on_sixteen_devices(call: Fixture, recipe: str) -> None:
    (cell,) = planned(call, recipe, "--devices", "16", "--memory", "80", "--flops", "300")
    chosen = cell["chosen_grid"]
    assert chosen["degrees"] == {"data": 16, "pipeline": 1, "tensor": 1}
    assert "replicas talk least" in cell["reason"]
    assert cell["num_tokens"] == 1000 * 512 * 512
    assert chosen["seconds_per_step"] * 16 == pytest.approx(cell["recipe_grid"]["seconds_per_step"])
    assert chosen["seconds_in_all"] == chosen["seconds_per_step"] * 1000
    assert chosen["seconds_per_step"] == pytest.approx(chosen["operations_per_step"] / (16 * 300e12))


def test_little_memory_takes_stages(call: Fixture, recipe: str) -> None:
    small = ("--set", "pretraining.num_sequences_per_micro_batch=1")
    (cell,) = planned(call, recipe, "--devices", "8", "--memory", "4.5", *small)
    assert cell["chosen_grid"]["degrees"] == {"data": 4, "pipeline": 2, "tensor": 1}
    assert max(rank["total"] for rank in cell["chosen_grid"]["memory"]) <= 0.9 * 4.5 * 2**30


def test_the_table_names_every_kind_of_memory(call: Fixture, recipe: str) -> None:
    output = call("plan", recipe, "--devices", "16", "--memory", "80", "--flops", "300").output
    assert "chosen for 16 devices of 80 GiB: data 16 x pipeline 1 x tensor 1" in output
    for line in ("weights", "gradients", "optimizer", "activations", "waiting for other stages", "time in all"):
        assert line in output
    (grids,) = (line.split() for line in output.splitlines() if line.startswith("data x pipeline"))
    assert " ".join(grids) == "data x pipeline x tensor 1 x 1 x 1 16 x 1 x 1"
    times = next(line for line in output.splitlines() if line.startswith("time in all"))
    assert re.fullmatch(r"time in all +\d+ min \d+ s +\d+ min \d+ s", times)


def test_what_stages_receive_into_is_told_where_there_are_stages(call: Fixture, recipe: str) -> None:
    def lines(*options: str) -> list[str]:
        return [line for line in call("plan", recipe, *options).output.splitlines() if "received" in line]

    assert not lines()
    (line,) = lines("--set", "parallel.pipeline=2")
    (cell,) = planned(call, recipe, "--set", "parallel.pipeline=2")
    fullest = max(cell["recipe_grid"]["memory"], key=lambda rank: rank["total"])
    assert re.fullmatch(rf"  received +{fullest['received'] / 2**30:,.2f} GiB.*", line)


def test_the_copy_for_a_checkpoint_is_told_where_there_is_one(call: Fixture, recipe: str) -> None:
    line = "host memory for checkpoints"
    assert line in call("plan", recipe).output
    (cell,) = planned(call, recipe)
    assert cell["copies_checkpoints"]
    for rank in cell["recipe_grid"]["memory"]:
        assert rank["checkpoint"] == rank["weights"] + rank["optimizer"]

    waiting = ("--set", "pretraining.checkpoints_in_background=false")
    assert line not in call("plan", recipe, *waiting).output
    (cell,) = planned(call, recipe, *waiting)
    assert not cell["copies_checkpoints"]


def test_one_grid_is_shown_once_and_times_only_with_a_speed(call: Fixture, recipe: str) -> None:
    output = call("plan", recipe, "--set", "runtime.device=cpu").output
    assert "the recipe's, chosen" in output
    assert "time in all" not in output


def test_each_kind_of_step_of_a_study_is_planned(call: Fixture, recipe: str) -> None:
    axes = 'study.axes={"model.size"=["core/base", "core/large"], "pretraining.num_steps"=[0, 5]}'
    cells = planned(call, recipe, "--set", axes)
    assert [(cell["size"], cell["num_steps"]) for cell in cells] == [("core/base", 5), ("core/large", 5)]


def test_settings_that_the_trainer_does_not_follow_yet_are_planned(call: Fixture, recipe: str) -> None:
    options = ("--set", "parallel={pipeline=2, tensor=2, activation_checkpointing=2}")
    (cell,) = planned(call, recipe, *options)
    grid = cell["recipe_grid"]
    assert grid["world_size"] == 4
    assert grid["recomputed_operations_per_step"] > 0


def test_auto_degrees_leave_the_choice_alone(call: Fixture, recipe: str) -> None:
    (cell,) = planned(call, recipe, "--devices", "2", "--set", 'parallel.data="auto"')
    assert cell["recipe_grid"] is None
    assert cell["chosen_grid"]["degrees"]["data"] == 2


def test_degrees_beside_auto_are_kept(call: Fixture, recipe: str) -> None:
    fixed = ("--set", "parallel.pipeline=2", "--set", 'parallel.data="auto"')
    (cell,) = planned(call, recipe, "--devices", "4", *fixed)
    assert cell["recipe_grid"] is None
    assert cell["chosen_grid"]["degrees"] == {"data": 2, "pipeline": 2, "tensor": 1}


def test_fine_tuning_must_run_on_the_grid_as_well(call: Fixture, recipe: str) -> None:
    tuned = (
        "--set",
        'tasks=[{spec="core/conll", name="soups", folder="no"}]',
        "--set",
        "finetuning.num_sequences_per_step=16",
    )
    micro = ("--set", "finetuning.num_sequences_per_micro_batch=8")
    error = call("plan", recipe, *tuned, *micro, "--set", "parallel.data=16").exception
    assert isinstance(error, RecipeError)
    assert str(error.where).startswith("finetuning of soups on data 16")
    assert error.remedy == "set finetuning.num_sequences_per_micro_batch = 1"
    (cell,) = planned(call, recipe, *tuned, *micro, "--devices", "16", "--memory", "80")
    assert "but finetuning of soups cannot run on it" in cell["reason"]


def test_a_vocabulary_of_unknown_size_must_be_given(call: Fixture, recipe: str) -> None:
    unknown = ("--set", 'vocabulary={spec="core/file", file="nowhere.txt"}')
    result = call("plan", recipe, *unknown)
    assert isinstance(result.exception, RecipeError)
    assert "--vocabulary-size ENTRIES" in str(result.exception)
    (cell,) = planned(call, recipe, *unknown, "--vocabulary-size", "30522")
    assert cell["recipe_grid"]["num_parameters"] > 335_000_000


def test_a_grid_that_cannot_run_is_refused(call: Fixture, recipe: str) -> None:
    result = call("plan", recipe, "--set", "parallel.tensor=5")
    assert isinstance(result.exception, RecipeError)
    assert "16 / 5" in str(result.exception)


def test_where_nothing_fits_it_says_so(call: Fixture, recipe: str) -> None:
    output = call("plan", recipe, "--devices", "1", "--memory", "4").output
    assert "chosen for 1 device of 4 GiB: none" in output
    assert "no grid fits" in output

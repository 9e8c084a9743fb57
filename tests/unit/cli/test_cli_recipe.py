"""`domainlm recipe` and `domainlm run`, as far as they go before anything is computed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from domainlm import hookimpl
from domainlm.api import RecipeSpec
from domainlm.cli.recipe import flatten
from domainlm.cli.recipe_keys import describe_keys
from domainlm.cli.run import default_out
from domainlm.errors import RecipeError
from domainlm.plugin import LoadedPlugins
from domainlm.recipe.overrides import parse_override
from domainlm.recipe.schema import Recipe
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.recipe.toml_text import toml_text

Fixture = Callable[..., Any]

_RECIPE = """
name = "soups"
description = "Which soup?"
corpus = { spec = "core/text", files = ["soups.txt"] }
vocabulary = { size = 100, cased = false }
model.size = "core/tiny"
pretraining = { num_steps = 20, optimizer.learning_rate = 5e-4 }

[[tasks]]
spec = "core/conll"
name = "foods"
files = { train = ["foods.txt"] }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "soups.toml").write_text(_RECIPE, encoding="utf-8")
    (tmp_path / "soups.txt").write_text("Boil the leeks.\n\nFry the onions.\n", encoding="utf-8")
    (tmp_path / "foods.txt").write_text("Boil O\nleeks B-food\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class _Cook:
    def __init__(self, path: Path) -> None:
        self.path = path

    @hookimpl
    def domainlm_recipes(self) -> list[RecipeSpec]:
        return [RecipeSpec(name="cook/soups", description="which soup?", path=self.path)]


@pytest.fixture
def cook(folder: Path, load_these: Fixture) -> LoadedPlugins:
    loaded: LoadedPlugins = load_these(cook=_Cook(folder / "soups.toml"))
    return loaded


def test_shipped_recipes_are_listed(call: Fixture, cook: LoadedPlugins) -> None:
    assert "cook/soups  cook 1.2  which soup?" in call("recipe", "list", plugins=cook).output
    listed = json.loads(call("recipe", "list", "--json", plugins=cook).output)
    assert [(entry["name"], entry["provider"]) for entry in listed] == [("cook/soups", "cook 1.2")]


def test_where_no_plugin_ships_one_it_says_so(call: Fixture) -> None:
    assert call("recipe", "list").output == "no plugin here ships a recipe; run one by its path\n"


@pytest.mark.usefixtures("folder")
def test_show_gives_each_key_with_its_origin(call: Fixture) -> None:
    lines = call("recipe", "show", "soups.toml", "--set", "pretraining.num_steps=5").output.splitlines()

    assert "pretraining.num_steps=5  # --set" in lines
    assert 'tasks.0.name="foods"  # soups.toml' in lines
    assert not any(line.startswith("pretraining.seed=") for line in lines)


@pytest.mark.usefixtures("folder")
def test_show_all_adds_the_defaults(call: Fixture) -> None:
    lines = call("recipe", "show", "soups.toml", "--all").output.splitlines()

    assert any(line.startswith("pretraining.seed=0  # ") for line in lines)


@pytest.mark.usefixtures("folder")
def test_show_of_a_shipped_recipe_in_json(call: Fixture, cook: LoadedPlugins) -> None:
    shown = json.loads(call("recipe", "show", "cook/soups", "--json", plugins=cook).output)

    assert shown["name"] == "soups"
    assert shown["vocabulary"] == {"size": 100, "cased": False}


@pytest.mark.usefixtures("folder")
def test_what_show_prints_can_be_set(call: Fixture) -> None:
    lines = call("recipe", "show", "soups.toml").output.splitlines()
    settings = [argument for line in lines for argument in ("--set", line.rpartition("  # ")[0])]

    again = call("recipe", "show", "soups.toml", *settings).output.splitlines()

    assert [line.rpartition("  # ")[0] for line in again] == [line.rpartition("  # ")[0] for line in lines]


@pytest.mark.usefixtures("folder")
def test_check_of_a_sound_recipe(call: Fixture) -> None:
    assert call("recipe", "check", "soups.toml").output == "soups: sound; 1 cell(s), tasks: foods\n"


@pytest.mark.usefixtures("folder")
def test_check_says_which_task_will_not_be_scored(call: Fixture, caplog: pytest.LogCaptureFixture) -> None:
    call("recipe", "check", "soups.toml")
    assert caplog.messages == ["tasks.0 (foods) has neither dev nor test: nothing will be scored"]
    caplog.clear()
    for split in ("dev", "test"):
        call("recipe", "check", "soups.toml", "--set", f'tasks.0.files.{split}=["foods.txt"]')
    assert caplog.messages == []


@pytest.mark.usefixtures("folder")
def test_a_world_size_that_no_launcher_set_changes_nothing(call: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "sound" in call("recipe", "check", "soups.toml").output


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.size=core/tyni", "nearest: core/tiny"),
        ("model.sise=core/tiny", "nearest: "),
        ('corpus.files=["stews.txt"]', "stews.txt"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_check_finds_what_is_wrong(call: Fixture, override: str, said: str) -> None:
    assert said in str(call("recipe", "check", "soups.toml", "--set", override).exception)


@pytest.mark.usefixtures("folder")
def test_an_unknown_recipe_names_the_nearest(call: Fixture, cook: LoadedPlugins) -> None:
    result = call("run", "cook/soup", plugins=cook)

    assert isinstance(result.exception, RecipeError)
    assert "nearest: cook/soups" in str(result.exception)


@pytest.mark.usefixtures("folder")
def test_a_recipe_file_named_without_its_ending_is_recognised(call: Fixture) -> None:
    assert "nearest: soups.toml" in str(call("recipe", "check", "soups").exception)


def test_a_recipe_of_a_plugin_that_is_not_there_gives_the_hint(call: Fixture) -> None:
    assert "pip install the distribution" in str(call("run", "cook/soups").exception)


def test_a_missing_recipe_file_is_refused(call: Fixture, folder: Path) -> None:
    result = call("recipe", "check", str(folder / "soup.toml"))

    assert isinstance(result.exception, RecipeError)
    assert "nearest: soups.toml" in str(result.exception)


@pytest.mark.parametrize(
    ("recipe", "out"),
    [
        ("recipes/quickstart.toml", "runs/quickstart"),
        ("cook/soups", "runs/cook-soups"),
        ("cook/soups@2", "runs/cook-soups"),
    ],
)
def test_the_output_folder_is_named_like_the_recipe(recipe: str, out: str) -> None:
    assert default_out(recipe) == Path(out)


def _schema_keys(settings: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """A second way to the keys: pydantic's own JSON schema."""
    schema = settings.model_json_schema()

    def walk(node: dict[str, Any], prefix: str) -> Iterator[str]:
        for name, entry in node.get("properties", {}).items():
            yield f"{prefix}{name}"
            for target, ending in references(entry):
                yield from walk(schema["$defs"][target], f"{prefix}{name}.{ending}")

    def references(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for option in [entry, *entry.get("anyOf", []), *entry.get("allOf", [])]:
            if "$ref" in option:
                yield option["$ref"].rsplit("/", 1)[1], ""
        item = entry.get("items", {})
        if "$ref" in item:
            yield item["$ref"].rsplit("/", 1)[1], "N."

    yield from walk(schema, prefix)


def test_keys_names_every_key_of_the_schema_with_its_meaning() -> None:
    keys = {key.name: key for key in describe_keys()}

    expected = {name for name in _schema_keys(Recipe) if not name.startswith("tasks.N.finetuning.")}
    assert set(keys) == expected | {"extends"}
    assert "tasks.N.files.train" in keys
    assert [name for name, key in keys.items() if not key.help.endswith(".") or not key.type] == []


def test_keys_knows_defaults_and_limits() -> None:
    keys = {key.name: key for key in describe_keys()}

    assert (keys["pretraining.num_steps"].type, keys["pretraining.num_steps"].default) == ("whole number from 0", None)
    assert keys["corpus.held_out_share"].type == "number above 0.0 to 0.5"
    assert keys["runtime.precision"].type == '"fp32" | "bf16" | "bf16_weights" | "fp16"'
    assert keys["finetuning.optimizer.learning_rate"].default == repr(FinetuningSettings().optimizer.learning_rate)
    assert keys["tasks"].type == "list of table"


@given(
    st.recursive(
        st.booleans()
        | st.integers(-(2**62), 2**62)
        | st.floats(allow_nan=False)
        | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    )
)
def test_a_printed_value_is_read_back_by_set(value: object) -> None:
    assert parse_override(f"key={toml_text(value)}") == (("key",), value)


def test_keys_can_be_narrowed(call: Fixture) -> None:
    output = call("recipe", "keys", "pretraining.masking").output

    assert output.startswith("pretraining.masking  (table; default {})")
    assert "corpus" not in output.split()
    assert json.loads(call("recipe", "keys", "seeds", "--json").output)[0]["default"] == "[0]"


def test_an_unknown_key_is_refused(call: Fixture) -> None:
    assert call("recipe", "keys", "pretrain.mask").exit_code == 2


def test_every_key_that_is_shown_can_be_given_to_set() -> None:
    keys = {"a b", "a.b", "a/b", "#", "", "ä", "a_b-1"}
    shown = [key for key, _ in flatten({"variables": dict.fromkeys(keys, "x")})]
    assert {parse_override(f"{key}=1")[0] for key in shown} == {("variables", key) for key in keys}


def test_flatten_quotes_keys_that_hold_dots() -> None:
    assert dict(flatten({"axes": {"a.b": [1, 2]}, "tasks": [{"x": 1}, {"x": 2}]})) == {
        'axes."a.b"': [1, 2],
        "tasks.0.x": 1,
        "tasks.1.x": 2,
    }

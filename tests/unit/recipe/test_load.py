"""Recipes: reading, extending, overriding, varying, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.errors import DataError, RecipeError
from domainlm.recipe.load import load_recipe
from domainlm.recipe.overrides import parse_override, with_values
from domainlm.recipe.study_settings import StudySettings

BASE = """
name = "ships"
[variables]
data = ""
[corpus]
spec = "core/text"
files = ["${data}/logs.txt", "more/*.txt"]
[model]
size = "core/tiny"
[pretraining]
num_steps = 5
[[tasks]]
spec = "core/conll"
folder = "annotated"
"""

AXIS_OF_LISTS = (
    r"--set: study\.axes\.corpus\.files: an axis value must be a number, a text or a truth value\n"
    r'  given:   \[".*a\.txt"\]\n  remedy:  use \[\[study\.arms\]\] with set[^\n]*\Z'
)

UNKNOWN_VARIABLE = (
    r"--set: corpus\.files\.0: unknown variable\n  given:   dta\n  allowed: data\n  nearest: data\n"
    r'  remedy:  add dta = "..." to \[variables\] \(.*DOMAINLM_DTA.*\), or give --set variables\.dta='
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "ships.toml"
    path.write_text(BASE, encoding="utf-8")
    return path


def test_paths_are_relative_to_the_recipe(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    loaded = load_recipe(recipe, ["variables.data=harbour"])
    assert loaded.recipe.corpus.files == (str(recipe.parent / "harbour/logs.txt"), str(recipe.parent / "more/*.txt"))
    assert loaded.recipe.tasks[0].folder == str(recipe.parent / "annotated")


def test_paths_on_the_command_line_are_relative_to_the_current_folder(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    (here / "harbour").mkdir(parents=True)
    monkeypatch.chdir(here)
    loaded = load_recipe(recipe, ["variables.data=harbour", "tasks.0.folder=mine"])
    assert loaded.recipe.corpus.files[0] == str(here / "harbour/logs.txt")
    assert loaded.recipe.tasks[0].folder == str(here / "mine")


def test_a_variable_of_a_recipe_without_any_is_told_with_its_key(recipe: Path) -> None:
    recipe.write_text(BASE.replace('[variables]\ndata = ""\n', "").replace("annotated", "${dta}"), encoding="utf-8")
    with pytest.raises(
        RecipeError, match=r"ships\.toml: corpus\.files\.0: unknown variable\n  given:   data\n  remedy"
    ):
        load_recipe(recipe)
    with pytest.raises(RecipeError, match=r"ships\.toml: tasks\.0\.folder: unknown variable\n  given:   dta\n"):
        load_recipe(recipe, ["variables.data=/d"])


def test_environment_gives_a_variable_and_set_wins(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINLM_DATA", "/from/environment")
    assert load_recipe(recipe).recipe.corpus.files[0] == "/from/environment/logs.txt"
    assert load_recipe(recipe, ["variables.data=/from/set"]).recipe.corpus.files[0] == "/from/set/logs.txt"


def test_a_variable_without_value_names_both_ways_to_give_it(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOMAINLM_DATA", raising=False)
    with pytest.raises(RecipeError, match=r"--set variables\.data=\.\.\. or set .* DOMAINLM_DATA"):
        load_recipe(recipe)


def test_extends_merges_tables_and_keeps_each_files_paths(recipe: Path, tmp_path: Path) -> None:
    below = tmp_path / "sub" / "child.toml"
    below.parent.mkdir()
    below.write_text(
        'extends = "../ships.toml"\n[corpus]\nfiles = ["own.txt"]\n[pretraining.optimizer]\nlearning_rate = 0.5\n',
        encoding="utf-8",
    )
    loaded = load_recipe(below).recipe
    assert loaded.name == "ships"
    assert loaded.corpus.files == (str(below.parent / "own.txt"),)
    assert loaded.tasks[0].folder == str(tmp_path / "annotated")
    assert loaded.pretraining.num_steps == 5
    assert loaded.pretraining.optimizer.learning_rate == 0.5


def test_extends_in_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"', encoding="utf-8")
    (tmp_path / "b.toml").write_text('extends = "a.toml"', encoding="utf-8")
    with pytest.raises(RecipeError, match=r"a\.toml -> b\.toml -> a\.toml"):
        load_recipe(tmp_path / "a.toml")


def test_axes_make_every_combination(recipe: Path) -> None:
    axes = 'study.axes={"pretraining.num_steps"=[0, 5], "model.size"=["core/tiny", "core/mini"]}'
    cells = load_recipe(recipe, ["variables.data=/d", axes]).cells
    assert [cell.label for cell in cells] == [
        "num_steps=0, size=core/tiny",
        "num_steps=0, size=core/mini",
        "num_steps=5, size=core/tiny",
        "num_steps=5, size=core/mini",
    ]
    assert [(cell.recipe.pretraining.num_steps, cell.recipe.model.size) for cell in cells][2] == (5, "core/tiny")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pretraining.num_stepz=3", r"--set: pretraining\.num_stepz: unknown key(.|\n)*nearest: num_steps"),
        ("tasks.0.foldr=x", r"tasks\.0\.foldr: unknown key(.|\n)*nearest: folder"),
        ("pretraining.num_steps=many", r"pretraining\.num_steps: input should be a valid integer(.|\n)*'many'"),
        ("pretraining.num_steps=true", r"pretraining\.num_steps: input should be a valid integer"),
        ('vocabulary="x"', r"vocabulary: input should be a table of keys and values(.|\n)*allowed: spec, size, "),
        ("seeds=3", r"seeds: input should be a list, in square brackets"),
        ("name=3", r"name: input should be a text, in quotation marks"),
        ('runtime.compile="yes"', r"runtime.compile: this key has no such value(.|\n)*allowed: true, false, auto"),
        ("pretraining.packing=7", r"packing: input should be a valid boolean(.|\n)*allowed: true, false"),
        ("pretraining.optimizer.learning_rate=nan", r"learning_rate: input should be a"),
        ("pretraining.masking.mask_share=0.95", r"mask_share \+ random_share must not be above 1"),
        ("corpus.files=[]", "corpus: give either files or sample"),
        ("extends=x.toml", "extends cannot be set here"),
        ("pretraining", "not an override"),
        ("=3", "not an override"),
        ("#x=1", "not an override"),
        ('study.axes."#x"=[1]', r"#x: unknown key"),
        ('study.axes."seed#"=[1]', r"seed#: unknown key"),
        ("tasks.7.folder=x", "no place '7' in this list"),
        ("name.x=1", "name is a value, not a table"),
        ("study.axes.seeds=[1]", "not something to vary: every cell is fine-tuned with each(.|\n)*remedy: .*seeds = "),
        ("study.axes.seeds=[[0], [1]]", "--set: study.axes: not something to vary: every cell(.|\n)*given: +seeds"),
        ("study.axes.name=['a']", "not something to vary: it belongs to the recipe as a whole"),
        (
            'study.axes."corpus.files"=[["a.txt"], ["b.txt"]]',
            AXIS_OF_LISTS,
        ),
        ('study.axes."vocabulary"=[{size=3}]', "must be a number(.|\n)*{.size. = 3}"),
        ('study.axes."pretraining.num_stepz"=[1]', "unknown key"),
        ("seeds=[0, 1, 0]", r"--set: seeds: the value 0 stands there twice"),
        ('study.axes."pretraining.num_steps"=[0, 5, 5]', r"num_steps: the value 5 stands there twice"),
        ('study.axes."model.size"=["core/tiny", "core/tiny"]', r'the value "core/tiny" stands there twice'),
        (
            'study.axes."model.size"=["core/tiny", "core/tiny@1"]',
            r'model\.size: the spec "core/tiny" stands there twice',
        ),
        ('study.axes."tasks.0.spec"=["core/conll@2", "core/conll"]', r'"core/conll" stands there twice'),
        ("seeds=[]", r"--set: seeds: the list is empty\n(.|\n)*allowed: at least one value"),
        ('study.axes."pretraining.num_steps"=[]', r"axes\.pretraining\.num_steps: the list is empty"),
        ("runtime.device=gpu", r"device: input should be (.|\n)*nearest: cuda"),
        ('corpus.files=["${dta}/logs.txt"]', UNKNOWN_VARIABLE),
        ("format=2", r"format: input should be 1"),
    ],
)
def test_a_wrong_override_is_told_where_and_what(recipe: Path, override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe, ["variables.data=/d", override])


@pytest.mark.parametrize("override", ['corpus.files=["~nosuchuser/x"]', "variables.data=~nosuchuser/x"])
def test_the_home_of_a_user_who_is_not_there_is_one_clear_error(recipe: Path, override: str) -> None:
    with pytest.raises(DataError, match=r"~nosuchuser stands for the home folder of a user(.|\n)*whole path"):
        load_recipe(recipe, [override])


def test_values_of_an_axis_that_toml_tells_apart_are_different(recipe: Path) -> None:
    axes = 'study.axes={"parallel.activation_checkpointing"=[1, 2], "finetuning.head.dropout"=[0.0, 0.5]}'
    assert len(load_recipe(recipe, ["variables.data=/d", axes]).cells) == 4
    assert StudySettings.model_validate({"axes": {"x": [1, 1.0, True, "1"]}}).axes["x"] == (1, 1.0, True, "1")


def test_a_choice_that_is_none_names_the_nearest_one(recipe: Path) -> None:
    with pytest.raises(RecipeError, match=r"(?s)decoding: input should be .*'viterbi'.*nearest: viterbi"):
        load_recipe(recipe, ["variables.data=/d", "finetuning.decoding=viterby"])
    with pytest.raises(RecipeError, match=r"input should be 1 or 2") as caught:
        load_recipe(recipe, ["variables.data=/d", "finetuning.head.num_fc_layers=3"])
    assert "nearest" not in str(caught.value)


def test_an_unknown_key_is_blamed_on_the_file_it_stands_in(recipe: Path, tmp_path: Path) -> None:
    child = tmp_path / "child.toml"
    child.write_text('extends = "ships.toml"\n[variables]\ndata = "/d"\n', encoding="utf-8")
    recipe.write_text(BASE + "\n[runtime]\nthreads = 2\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"ships\.toml: runtime\.threads: unknown key(.|\n)*nearest: num_threads"):
        load_recipe(child)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xef\xbb\xbfname = \n", r"not TOML: .*line 1, column 8"),
        (b"name = \n", r"not TOML: .*line 1"),
        (b'name = "\xff"', "not UTF-8 at byte 8"),
        (b'name = "x"', "this key is missing"),
        (b"extends = 3", "extends must be text"),
    ],
)
def test_a_damaged_recipe_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)


def test_a_byte_order_mark_is_passed_over(recipe: Path, tmp_path: Path) -> None:
    recipe.write_bytes(b"\xef\xbb\xbf" + recipe.read_bytes())
    child = tmp_path / "child.toml"
    child.write_bytes(b'\xef\xbb\xbfextends = "ships.toml"\r\n[variables]\r\ndata = "/d"\r\n')
    assert load_recipe(child).recipe.name == "ships"


def test_a_missing_recipe_names_the_nearest_file(recipe: Path) -> None:
    with pytest.raises(RecipeError, match=r"no such recipe(.|\n)*nearest: ships\.toml"):
        load_recipe(recipe.with_name("ship.toml"))


@given(st.text(alphabet="abc_", min_size=1, max_size=5), st.one_of(st.integers(), st.booleans(), st.floats(0, 1)))
def test_an_override_reads_toml_values(key: str, value: object) -> None:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    assert parse_override(f"{key}.x={text}") == ((key, "x"), value)


def test_with_values_leaves_the_original_alone() -> None:
    tables = {"a": {"b": [1, 2]}}
    assert with_values(tables, {("a", "b", "1"): 5, ("c", "d"): 1}, "") == {"a": {"b": [1, 5]}, "c": {"d": 1}}
    assert tables == {"a": {"b": [1, 2]}}

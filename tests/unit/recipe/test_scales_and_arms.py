"""Chosen combinations beside axes, and one recipe at several scales."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.errors import RecipeError
from domainlm.recipe.dotted import join_keys, leaves, split_key
from domainlm.recipe.load import LoadedRecipe, load_recipe
from domainlm.recipe.lock import portable_recipe
from domainlm.recipe.resolved import Resolved
from domainlm.study.report.question import read_question

BASE = """
name = "harbour"
seeds = [1, 2]
[variables]
data = "/data"
[corpus]
spec = "core/text"
files = ["logs.txt"]
[vocabulary]
size = 100
[pretraining]
num_steps = 50
max_tokens = 64
[model]
size = "core/base"
[[study.arms]]
name = "logs, small"
set = { "model.size" = "core/small" }
[[study.arms]]
name = "letters, large"
[study.arms.set]
"model.size" = "core/large"
"corpus.files" = ["letters/*.txt", "${data}/more.txt"]
pretraining.num_steps = 70
[study.axes]
"vocabulary.size" = [100, 200]

[scales.laptop]
"pretraining.num_steps" = 5
"corpus.files" = ["few.txt"]
seeds = [1]
"study.axes" = { "vocabulary.cased" = [false] }
[scales.laptop.study.arms."letters, large"]
"model.size" = "core/mini"
pretraining.num_steps = 7
[scales.desk]
model.size = "core/tiny"
"study.axes" = {}
"study.arms" = [{ name = "all", set = { "vocabulary.file" = "words.txt" } }]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.toml"
    path.write_text(BASE, encoding="utf-8")
    return path


def settings(loaded: LoadedRecipe) -> list[tuple[str, str | None, int, int | None, tuple[str, ...]]]:
    folder = loaded.path.parent
    return [
        (
            cell.label,
            cell.recipe.model.size,
            cell.recipe.pretraining.num_steps,
            cell.recipe.vocabulary.size,
            tuple(file.replace(f"{folder}/", "") for file in cell.recipe.corpus.files),
        )
        for cell in loaded.cells
    ]


def test_every_arm_is_run_with_every_value_of_the_axes(recipe: Path) -> None:
    loaded = load_recipe(recipe)
    letters = ("letters/*.txt", "/data/more.txt")
    assert settings(loaded) == [
        ("logs, small, size=100", "core/small", 50, 100, ("logs.txt",)),
        ("logs, small, size=200", "core/small", 50, 200, ("logs.txt",)),
        ("letters, large, size=100", "core/large", 70, 100, letters),
        ("letters, large, size=200", "core/large", 70, 200, letters),
    ]
    assert loaded.cells[3].varied == {"arm": "letters, large", "vocabulary.size": 200}
    assert [cell.arm for cell in loaded.cells[1:3]] == ["logs, small", "letters, large"]
    assert {cell.recipe.pretraining.max_tokens for cell in loaded.cells} == {64}


def test_a_scale_changes_settings_axes_and_arms_and_set_goes_first(recipe: Path) -> None:
    laptop = load_recipe(recipe, ["pretraining.max_tokens=32", "vocabulary.size=120", "scale=laptop"])
    letters = ("letters/*.txt", "/data/more.txt")
    assert settings(laptop) == [
        ("logs, small, cased=False", "core/small", 5, 120, ("few.txt",)),
        ("letters, large, cased=False", "core/mini", 7, 120, letters),
    ]
    assert laptop.recipe.seeds == (1,)
    assert laptop.recipe.pretraining.max_tokens == 32
    assert load_recipe(recipe, ["scale=laptop", "pretraining.num_steps=9"]).cells[0].recipe.pretraining.num_steps == 9
    assert "scales.laptop" in (laptop.source.origin("corpus.files") or "")


def test_a_scale_may_replace_the_arms(recipe: Path) -> None:
    desk = load_recipe(recipe, ['scale="desk"'])
    assert settings(desk) == [("all", "core/tiny", 50, 100, ("logs.txt",))]
    assert desk.cells[0].recipe.vocabulary.file == str(recipe.parent / "words.txt")


def test_what_extends_may_choose_and_change_a_scale(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    child = tmp_path / "sub" / "child.toml"
    child.write_text(
        'extends = "../harbour.toml"\nscale = "laptop"\n[scales.laptop]\n"corpus.files" = ["own.txt"]\n',
        encoding="utf-8",
    )
    loaded = load_recipe(child)
    assert loaded.cells[0].recipe.corpus.files == (str(tmp_path / "sub" / "own.txt"),)
    assert loaded.cells[1].recipe.model.size == "core/mini"


def test_results_say_the_scale_and_paths_without_the_machine(recipe: Path) -> None:
    laptop = load_recipe(recipe, ["scale=laptop"])
    tables = portable_recipe(Resolved(laptop, ()))
    assert tables["scale"] == "laptop"
    assert list(tables["scales"]) == ["laptop"]
    assert tables["study"]["arms"][1]["set"]["corpus.files"] == ["letters/*.txt", "${data}/more.txt"]
    assert tables["scales"]["laptop"]["corpus.files"] == ["few.txt"]
    question = read_question(tables)
    assert question.cells == tuple(dict(cell.varied) for cell in laptop.cells)
    assert question.num_steps == (5, 7)


def test_results_name_varied_paths_as_their_recipe_does(recipe: Path) -> None:
    paths = '"start.path" = ["here/model", "${data}/model", "/models/bert"]'
    recipe.write_text(BASE.replace('"vocabulary.size" = [100, 200]', paths), encoding="utf-8")
    loaded = load_recipe(recipe, ["study.arms=[]"])
    tables = portable_recipe(Resolved(loaded, ()))
    assert read_question(tables).cells == tuple(dict(cell.varied) for cell in loaded.cells)
    assert [cell.recipe.start.path for cell in loaded.cells] == [
        *(str(recipe.parent / "here" / "model"), "/data/model", "/models/bert")
    ]
    assert loaded.cells[0].label == "path=here/model"
    assert loaded.cells[1].varied["start.path"] == "${data}/model"


def test_arms_may_be_written_as_tables_in_tables() -> None:
    arms = [{"name": "none", "set": {"pretraining": {"num_steps": 0}, "tasks": {"0": {"name": "x"}}}}, {"name": "odd"}]
    question = read_question({"pretraining": {"num_steps": 9}, "study": {"arms": arms}})
    assert question.num_steps == (0, 9)
    assert not question.has_one_set_of_tasks


def test_of_a_task_results_say_what_the_recipe_sets_and_not_what_its_spec_may_say_otherwise(recipe: Path) -> None:
    task = '[{spec="core/conll",folder=".",finetuning={num_epochs=7}}]'
    tables = portable_recipe(Resolved(load_recipe(recipe, [f"tasks={task}"]), ()))
    assert tables["tasks"][0]["finetuning"] == {"num_epochs": 7}
    assert tables["finetuning"]["max_tokens"] == 128


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["scale=labtop"], r"scale: no such scale(.|\n)*'?labtop(.|\n)*laptop, desk(.|\n)*nearest: laptop"),
        (["scale=laptop", "scales.laptop.name=x"], r"scales\.laptop: a scale cannot set this(.|\n)*name"),
        (["scale=laptop", "scales.laptop.study.arms.log={x=1}"], r"no such arm(.|\n)*logs, small"),
        (["scale=laptop", 'scales.laptop."model.sice"="core/tiny"'], r"scales\.laptop: model\.sice: unknown key"),
        (["scale=3"], "scale: input should be a text, in quotation marks"),
        (['study.arms.0.set={"seeds"=[3]}'], r"arm 'logs, small': not something to vary(.|\n)*seeds"),
        (['study.arms.0.set={"study.axes"={}}'], "not something to vary"),
        (['study.arms.0.set={"model.sice"="core/tiny"}'], r"arm 'logs, small': model\.sice: unknown key"),
        (['study.arms.0.set={"vocabulary.size"=300}'], "an arm and an axis set the same key(.|\n)*vocabulary.size"),
        (["study.arms.0.set={vocabulary={size=300}}"], "an arm and an axis set the same key"),
        (['study.arms.1.name="logs, small"'], "two arms have the name 'logs, small'"),
        (['study.arms.1.name=""'], r"study\.arms\.1\.name"),
        (['study.arms.1.name="a\\nb"'], "a name is one line"),
        (["study.arms.1.setz={}"], r"study\.arms\.1\.setz: unknown key"),
    ],
)
def test_a_wrong_arm_or_scale_is_told_where_and_what(recipe: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(recipe, overrides)


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4))
def test_a_dotted_key_is_split_as_it_was_joined(parts: list[str]) -> None:
    assert split_key(join_keys(tuple(parts))) == tuple(parts)


def test_leaves_follow_tables_to_their_values() -> None:
    table = {"a.b": 1, "a": {"c.d": [2], "e": {}}, "study": {"axes": {"x.y": [1]}, "arms": {"by hand": {"m.n": 3}}}}
    assert dict(leaves(table)) == {
        ("a", "b"): 1,
        ("a", "c", "d"): [2],
        ("a", "e"): {},
        ("study", "axes"): {"x.y": [1]},
        ("study", "arms", "by hand", "m", "n"): 3,
    }


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "vocabulary.size=300",
            r"(?s)--set: vocabulary\.size: an axis .*harbour\.toml.*'study\.axes\.\"vocabulary\.size\"=\[300\]'",
        ),
        ("vocabulary={size=300, cased=true}", r"(?s)an axis of the study gives vocabulary\.size.*=\[\.\.\.\]'"),
        (
            'model.size="core/tiny"',
            r"(?s)every arm of the study sets model\.size.*'study\.arms\.0\.set\.\"model\.size\"=\.\.\.'",
        ),
        ('model={size="core/tiny"}', "every arm of the study sets"),
    ],
)
def test_an_override_without_effect_is_refused(recipe: Path, override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe(recipe, [override])


@pytest.mark.parametrize(
    "overrides",
    [
        ["vocabulary.size=300", "study.axes={}"],
        ["vocabulary.size=300", 'study.axes."vocabulary.size"=[300, 400]'],
        ["vocabulary.size=300", "scale=desk"],
        ['study.axes."vocabulary.size"=[300]'],
        ["vocabulary={cased=true}"],
        ["pretraining.num_steps=3"],
        ["model.size=core/tiny", 'study.arms.0.set."model.size"="core/mini"'],
        ["model.size=core/tiny", "study.arms=[]"],
    ],
)
def test_an_override_that_some_cell_takes_is_not_refused(recipe: Path, overrides: list[str]) -> None:
    assert load_recipe(recipe, overrides).cells


def test_an_override_of_a_table_is_where_its_keys_come_from(recipe: Path) -> None:
    with pytest.raises(RecipeError, match=r"^--set: vocabulary\.size: "):
        load_recipe(recipe, ["study.axes={}", 'vocabulary={size="many"}'])

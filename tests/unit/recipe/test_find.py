"""How a recipe is found by what a user gives, on the command line and in a program."""

from __future__ import annotations

from pathlib import Path

import pytest

import domainlm
from domainlm.api import RecipeSpec
from domainlm.errors import RecipeError, SpecError
from domainlm.plugin.provider import Provider
from domainlm.plugin.registry import Registry
from domainlm.recipe.find import recipe_file
from domainlm.recipe.load import load_given


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    found = Registry()
    spec = RecipeSpec(name="harbour/first", description="The first.", path=tmp_path / "shipped.toml")
    spec.path.write_text("", encoding="utf-8")
    found.add(spec, Provider("domainlm-harbour", "1.0", "harbour"))
    return found


def test_a_file_goes_before_a_name(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert recipe_file("harbour/first", registry) == tmp_path / "shipped.toml"
    assert recipe_file("harbour/first@1", registry) == tmp_path / "shipped.toml"
    with pytest.raises(SpecError, match="installed in another version"):
        recipe_file("harbour/first@7", registry)
    (tmp_path / "harbour").mkdir()
    (tmp_path / "harbour" / "first").write_text("")
    assert recipe_file("harbour/first", registry) == Path("harbour/first")
    assert recipe_file("later.toml", registry) == Path("later.toml")  # opening it says that it is not there


def test_a_name_whose_file_the_plugin_lacks_is_blamed_on_the_plugin(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "shipped.toml").unlink()
    told = (
        r"plugin domainlm-harbour 1\.0, recipe harbour/first@1: the recipe's file is not there\n"
        r"  given:   .*/shipped\.toml\n  remedy:  add it to the package's data files"
    )
    with pytest.raises(RecipeError, match=told):
        recipe_file("harbour/first", registry)
    (tmp_path / "mine.toml").write_text('extends = "harbour/first"', encoding="utf-8")
    with pytest.raises(RecipeError, match=told):
        load_given(tmp_path / "mine.toml", [], registry)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("harbour/frst", r"nearest: harbour/first"),
        ("ships", r"nearest: ships\.toml"),
        ("sea/first", r"remedy:  no plugin here gives names in \"sea/\""),
    ],
)
def test_what_is_neither_is_told_with_both(
    given: str, told: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ships.toml").write_text("")
    with pytest.raises(RecipeError, match=rf"(?s)neither a file nor a name.*allowed: PATH\.toml, .*{told}"):
        recipe_file(given, registry)


def test_a_program_is_told_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ships.toml").write_text("")
    with pytest.raises(RecipeError, match=r"(?s)neither a file nor a name.*nearest: ships\.toml"):
        domainlm.run("ships", out=tmp_path / "out")

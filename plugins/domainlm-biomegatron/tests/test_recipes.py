from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.api import RecipeSpec
from domainlm.recipe.load import load_recipe
from domainlm.testing import check_recipe, plugin_registry

RECIPES = Path(__file__).resolve().parents[3] / "recipes"


def check(path: Path) -> int:
    """Check a recipe file as one that ships with a plugin; return how many cells it has."""
    spec = RecipeSpec(name="test/recipe", description="one of the repository's recipes", path=path)
    return check_recipe(spec, plugin_registry("domainlm_biomegatron.hooks"))


def test_the_quickstart_can_run_as_it_stands() -> None:
    assert check(RECIPES / "quickstart.toml") == 2  # with pretraining and without


def test_the_real_recipe_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINLM_DATA", str(tmp_path))
    assert check(RECIPES / "real" / "bc5cdr.toml") == 2


def test_the_real_recipe_asks_for_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOMAINLM_DATA", raising=False)
    with pytest.raises(ValueError, match="the variable 'data' needs a value"):
        load_recipe(RECIPES / "real" / "bc5cdr.toml")

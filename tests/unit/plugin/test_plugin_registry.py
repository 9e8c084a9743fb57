"""Looking names up, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domainlm.api import ModelSizeSpec, RecipeSpec, SpecError
from domainlm.plugin import Provider, Registry

_PROVIDER = Provider("harbour", "1.2", "main")
_DINGHY = ModelSizeSpec(name="harbour/dinghy", description="a small one", version=3, layers=1, hidden=32, heads=2)
_LIFEBOAT = ModelSizeSpec(name="harbour/lifeboat", description="a larger one", layers=2, hidden=32, heads=2)


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.add(_LIFEBOAT, _PROVIDER)
    registry.add(_DINGHY, _PROVIDER)
    return registry


def test_a_name_is_found_with_and_without_its_version(registry: Registry) -> None:
    assert registry.model_size("harbour/dinghy") is _DINGHY
    assert registry.model_size("harbour/dinghy@3") is _DINGHY


@pytest.mark.parametrize("version", ["1", "4", "", "03", "x"])
def test_another_version_is_refused(registry: Registry, version: str) -> None:
    with pytest.raises(SpecError) as caught:
        registry.model_size(f"harbour/dinghy@{version}", where="recipe.toml: model.size")

    message = str(caught.value)
    assert message.startswith("recipe.toml: model.size: ")
    assert f"given:   harbour/dinghy@{version}\n" in message
    assert "allowed: harbour/dinghy@3, given by harbour 1.2" in message


def test_an_unknown_name_lists_all_and_the_nearest(registry: Registry) -> None:
    with pytest.raises(SpecError) as caught:
        registry.model_size("harbour/dingy", where="model.size")

    error: Any = caught.value
    assert error.allowed == ["harbour/dinghy", "harbour/lifeboat"]
    assert error.nearest == "harbour/dinghy"
    assert error.remedy is None


def test_an_unknown_namespace_hints_at_a_missing_plugin(registry: Registry) -> None:
    with pytest.raises(SpecError, match=r"pip install .* domainlm-quay"):
        registry.task("quay/cranes")


def test_a_misspelled_namespace_is_told_the_nearest(registry: Registry) -> None:
    with pytest.raises(SpecError, match=r'gives names in "harbor/" \(the nearest is "harbour/"\); one may be missing'):
        registry.model_size("harbor/dinghy")
    with pytest.raises(SpecError, match='gives names in "quay/"; one may be missing'):
        registry.model_size("quay/dinghy")


def test_a_namespace_known_from_another_kind_gives_no_such_hint(registry: Registry) -> None:
    with pytest.raises(SpecError) as caught:
        registry.corpus("harbour/logs")

    assert caught.value.remedy is None


def test_a_switched_off_plugin_is_named_in_the_hint() -> None:
    with pytest.raises(SpecError, match="switched off here: domainlm-quay"):
        Registry(disabled=["domainlm-quay"]).task("quay/cranes")


def test_a_name_without_namespace_is_told_its_form(registry: Registry) -> None:
    with pytest.raises(SpecError, match="write it as namespace/name"):
        registry.model_size("dinghy")


def test_tables_are_in_order_of_their_names(registry: Registry) -> None:
    assert list(registry.model_sizes) == ["harbour/dinghy", "harbour/lifeboat"]
    assert len(registry.model_sizes) == 2


def test_the_provider_of_a_spec_is_known(registry: Registry) -> None:
    assert registry.provider(_DINGHY) == _PROVIDER


@pytest.mark.parametrize("kind", ["corpus", "vocabulary", "model_size", "task", "recipe", "output_format"])
def test_every_kind_can_be_looked_up(kind: str) -> None:
    with pytest.raises(SpecError, match=f"unknown {kind.replace('_', ' ')}"):
        getattr(Registry(), kind)("harbour/nothing")


def test_recipes_are_looked_up_like_the_rest(registry: Registry, tmp_path: Path) -> None:
    spec = RecipeSpec(name="harbour/watch", description="a first one", path=tmp_path / "watch.toml")
    registry.add(spec, _PROVIDER)

    assert registry.recipe("harbour/watch").path == tmp_path / "watch.toml"

"""A recipe that requires a distribution which is not installed under this name."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.errors import RecipeError
from domainlm.recipe.requires import check_requires
from domainlm.recipe.schema import RequiresSettings


@pytest.fixture(autouse=True)
def _harbour_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("domainlm-harbour", "rigging-for-domainlm"):
        metadata = tmp_path / f"{name.replace('-', '_')}-2.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n", encoding="utf-8")
        (metadata / "entry_points.txt").write_text("[domainlm]\nmain = nowhere\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


def error_of(name: str) -> RecipeError:
    with pytest.raises(RecipeError, match="not installed") as caught:
        check_requires(RequiresSettings(plugins={name: ">=1"}), Path("ships.toml"))
    return caught.value


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("domainlm-harbor", "domainlm-harbour"),
        ("domainlm_harbours", "domainlm-harbour"),
        ("harbour", "domainlm-harbour"),
        ("riging-for-domainlm", "rigging-for-domainlm"),
    ],
)
def test_a_near_name_that_is_installed_is_offered_first(given: str, near: str) -> None:
    error = error_of(given)

    assert error.nearest == near
    assert error.remedy == f"write {near}, which is installed, if that is meant; or pip install {given}'>=1'"


def test_one_like_no_other_is_to_be_installed() -> None:
    error = error_of("domainlm-opera")

    assert error.nearest is None
    assert error.remedy == "pip install domainlm-opera'>=1'"


def test_installed_ones_are_found_however_they_are_written() -> None:
    check_requires(RequiresSettings(plugins={"domainlm-harbour": ">=1", "Domainlm_Harbour": ""}), Path("ships.toml"))

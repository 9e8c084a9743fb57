"""`domainlm.run` and `domainlm.load`: what the command line does, as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import domainlm
from domainlm.api import RunSummary

study_run = pytest.importorskip("domainlm.study.run")


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments that reach the study; it is not run."""
    seen: dict[str, Any] = {}

    def run_recipe(recipe: str | Path, **arguments: object) -> RunSummary:
        seen.update(arguments, recipe=recipe)
        return RunSummary(status="complete", results=None, seconds=0.0, num_stages_cached=0)

    monkeypatch.setattr(study_run, "run_recipe", run_recipe)
    return seen


@pytest.mark.parametrize(
    ("given", "overrides"),
    [
        ({"pretraining.num_steps": 5, "vocabulary.cased": True}, ["pretraining.num_steps=5", "vocabulary.cased=true"]),
        ({"name": 'say "aye"', "seeds": (0, 1)}, ['name="say \\"aye\\""', "seeds=[0, 1]"]),
        (["pretraining.num_steps=5"], ["pretraining.num_steps=5"]),
        ((), []),
    ],
)
def test_values_reach_the_recipe_as_overrides(
    called: dict[str, Any], given: Mapping[str, object] | Sequence[str], overrides: list[str]
) -> None:
    summary = domainlm.run("soups.toml", out="runs/soups", set=given)

    assert summary.status == "complete"
    assert called["overrides"] == overrides
    assert (called["recipe"], called["out"], called["store"]) == ("soups.toml", Path("runs/soups"), None)
    assert "core/tiny" in called["plugins"].registry.model_sizes


def test_one_text_is_not_taken_for_a_list_of_letters() -> None:
    with pytest.raises(domainlm.UserError, match=r"set=\['seeds=1'\]"):
        domainlm.run("soups.toml", out="runs/soups", set="seeds=1")


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(domainlm.UserError):
        domainlm.load(tmp_path)

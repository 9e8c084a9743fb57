"""The recipes that ship with the plugin."""

from __future__ import annotations

from pathlib import Path

from domainlm.api import RecipeSpec

_FOLDER = Path(__file__).parents[1] / "recipes"

RECIPES = (
    RecipeSpec(
        name="biomegatron/quickstart",
        description="does pretraining on domain text help? two named-entity tasks, synthetic text, two minutes",
        path=_FOLDER / "quickstart.toml",
    ),
)

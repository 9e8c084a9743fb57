"""The [parallel] table: what it takes, and what contradicts itself."""

from __future__ import annotations

import pytest

from domainlm.errors import RecipeError
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.validate import validate_settings


def settings(**values: object) -> ParallelSettings:
    return validate_settings(ParallelSettings, dict(values), lambda _: "recipe")


def test_one_rank_is_the_default() -> None:
    assert (settings().data, settings().pipeline, settings().tensor) == (1, 1, 1)
    assert (settings().engine, settings().schedule) == ("auto", "auto")


def test_every_form_of_value_is_taken() -> None:
    given = settings(
        data="auto",
        pipeline=4,
        schedule="interleaved",
        num_stages_per_rank=2,
        layers_per_stage=[2, 3, 3, 3, 3, 3, 3, 4],
    )
    assert given.layers_per_stage == (2, 3, 3, 3, 3, 3, 3, 4)
    assert settings(activation_checkpointing=3).activation_checkpointing == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": 0}, r"recipe: data: (.|\n)*allowed: greater than or equal to 1, auto$"),
        ({"tensor": "outo"}, r"recipe: tensor: (.|\n)*allowed: a valid integer, auto\n  nearest: auto$"),
        ({"pipline": 2}, "nearest: pipeline"),
        ({"engine": "async_pipe", "schedule": "1f1b"}, 'schedule "gpipe" only'),
        ({"num_stages_per_rank": 2, "schedule": "1f1b"}, 'needs schedule = "interleaved"'),
        ({"num_stages_per_rank": 2, "engine": "async_pipe"}, 'needs engine = "torch"'),
        ({"schedule": "interleaved"}, "at least 2"),
        (
            {"divide_vocabulary": True, "engine": "async_pipe"},
            "^recipe(.*) has an order of its own: leave engine, [^\n]*$",
        ),
        ({"divide_vocabulary": True, "schedule": "1f1b"}, "divide_vocabulary has an order"),
        ({"activation_checkpointing": 0}, "activation_checkpointing"),
        ({"layers_per_stage": []}, "layers_per_stage"),
    ],
)
def test_contradictions_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        settings(**values)

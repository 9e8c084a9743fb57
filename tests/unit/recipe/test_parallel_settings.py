"""The [parallel] table: what it takes, what contradicts itself, and what is refused until the trainer follows it."""

from __future__ import annotations

import pytest

from domainlm.errors import RecipeError
from domainlm.plan.work import Degrees
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pending import check_degrees, check_parallel, precision_in_use
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.validate import validate_settings


def settings(**values: object) -> ParallelSettings:
    return validate_settings(ParallelSettings, dict(values), lambda _: "recipe")


def test_one_rank_is_the_default() -> None:
    assert (settings().data, settings().pipeline, settings().tensor) == (1, 1, 1)
    assert (settings().engine, settings().schedule) == ("auto", "auto")
    check_parallel(settings())


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
        ({"data": 0}, "parallel|data"),
        ({"tensor": "many"}, "tensor"),
        ({"pipline": 2}, "nearest: pipeline"),
        ({"engine": "async_pipe", "schedule": "1f1b"}, 'schedule "gpipe" only'),
        ({"num_stages_per_rank": 2, "schedule": "1f1b"}, 'needs schedule = "interleaved"'),
        ({"num_stages_per_rank": 2, "engine": "async_pipe"}, 'needs engine = "torch"'),
        ({"schedule": "interleaved"}, "at least 2"),
        ({"activation_checkpointing": 0}, "activation_checkpointing"),
        ({"layers_per_stage": []}, "layers_per_stage"),
    ],
)
def test_contradictions_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        settings(**values)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"engine": "torch"}, "parallel.engine"),
        ({"activation_checkpointing": "every_layer"}, "parallel.activation_checkpointing"),
        ({"shard_optimizer": True}, "parallel.shard_optimizer"),
    ],
)
def test_what_is_not_followed_yet_is_refused_not_ignored(values: dict[str, object], key: str) -> None:
    with pytest.raises(RecipeError, match=f"{key}: training does not follow this setting yet"):
        check_parallel(settings(**values))


def test_several_ranks_are_refused_until_the_trainer_starts_them() -> None:
    check_degrees(Degrees())
    with pytest.raises(RecipeError, match=r"parallel: training does not follow this setting yet(.|\n)*data 2"):
        check_degrees(Degrees(data=2))


def test_precisions_that_are_not_followed_yet_are_refused() -> None:
    assert precision_in_use(RuntimeSettings(precision="bf16")) == "bf16"
    with pytest.raises(RecipeError, match=r"runtime\.precision(.|\n)*given:   fp16"):
        precision_in_use(RuntimeSettings(precision="fp16"))

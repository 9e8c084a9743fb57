"""Shapes, and the numbers of parameters that are published for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from domainlm.api import Architecture, ModelSizeSpec
from domainlm.errors import ModelError
from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.model.pretraining import PretrainingModel

MakeConfig = Callable[..., ModelConfig]


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _spec(layers: int, hidden: int, heads: int, architecture: Architecture) -> ModelSizeSpec:
    return ModelSizeSpec(
        name="test/size", description="-", layers=layers, hidden=hidden, heads=heads, architecture=architecture
    )


def test_bert_base_has_its_published_number_of_parameters() -> None:
    config = ModelConfig.from_spec(_spec(12, 768, 12, "bert"), vocabulary_size=30_522, vocabulary_multiple=1)
    pooler = 768 * 768 + 768

    # 109,482,240: what BERT-base-uncased counts with its pooler (Devlin et al. 2019 round it to 110M).
    assert config.num_parameters + pooler == 109_482_240


def test_megatron_345m_has_its_published_number_of_parameters() -> None:
    config = ModelConfig.from_spec(_spec(24, 1024, 16, "megatron"), vocabulary_size=30_522, vocabulary_multiple=128)
    word, position, token_type = 30_592 * 1024, 512 * 1024, 2 * 1024
    attention = 4 * (1024 * 1024 + 1024)
    feed_forward = (1024 * 4096 + 4096) + (4096 * 1024 + 1024)
    layer = attention + feed_forward + 2 * 2 * 1024
    head = (1024 * 1024 + 1024) + 2 * 1024 + 30_592
    order = (1024 * 1024 + 1024) + (1024 * 2 + 2)

    assert config.padded_vocabulary_size == 30_592
    assert config.num_parameters == word + position + token_type + 24 * layer + 2 * 1024
    # Megatron-LM prints 336,297,858 for BERT-345m with both heads; its paper's table 5 says 336M.
    assert config.num_parameters + head + order == 336_297_858


def test_the_pretraining_model_has_as_many(make_config: MakeConfig) -> None:
    config = make_config()
    head = (32 * 32 + 32) + 2 * 32 + 64
    order = (32 * 32 + 32) + (32 * 2 + 2)

    assert _count(PretrainingModel(config, sentence_order=True)) == config.num_parameters + head + order
    assert _count(PretrainingModel(config, sentence_order=False)) == config.num_parameters + head


@given(
    layers=st.integers(1, 3),
    heads=st.integers(1, 4),
    width=st.integers(1, 5),
    feed_forward=st.integers(1, 9),
    padding=st.integers(0, 5),
    architecture=st.sampled_from(["megatron", "bert"]),
)
def test_counting_agrees_with_building(
    layers: int, heads: int, width: int, feed_forward: int, padding: int, architecture: Architecture
) -> None:
    config = ModelConfig(
        layers=layers,
        hidden=heads * width,
        heads=heads,
        feed_forward=feed_forward,
        max_positions=7,
        architecture=architecture,
        dropout=0.1,
        vocabulary_size=11,
        padded_vocabulary_size=11 + padding,
    )

    assert _count(Encoder(config)) == config.num_parameters
    assert ModelConfig.from_dict(config.as_dict()) == config


def test_a_recipe_may_change_architecture_and_dropout() -> None:
    spec = _spec(2, 64, 4, "megatron")
    config = ModelConfig.from_spec(spec, vocabulary_size=65, vocabulary_multiple=64, architecture="bert", dropout=0.0)

    assert (config.architecture, config.dropout, config.feed_forward) == ("bert", 0.0, 256)
    assert (config.vocabulary_size, config.padded_vocabulary_size) == (65, 128)
    assert ModelConfig.from_spec(spec, vocabulary_size=64, vocabulary_multiple=64).padded_vocabulary_size == 64


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hidden": 30}, "not divisible by heads 4"),
        ({"layers": 0}, "wrong layers"),
        ({"heads": True}, "wrong heads"),
        ({"architecture": "megatronn"}, "nearest: megatron"),
        ({"dropout": 1.0}, "from 0.0 to below 1.0"),
        ({"padded_vocabulary_size": 49}, "at least 50"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(make_config: MakeConfig, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        make_config(**changes)


def test_unknown_and_missing_keys_are_named(make_config: MakeConfig) -> None:
    values = make_config().as_dict()
    with pytest.raises(ModelError, match=r"(?s)unknown key 'layer'.*nearest: layers"):
        ModelConfig.from_dict(values | {"layer": 2})
    del values["heads"]
    with pytest.raises(ModelError, match="'heads' is missing"):
        ModelConfig.from_dict(values)

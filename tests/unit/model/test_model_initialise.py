"""First weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel

MakeConfig = Callable[..., ModelConfig]


def _initialised(module: nn.Module, seed: int) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        for weight in module.parameters():
            weight.fill_(math.nan)
    initialise(module, seed)
    return {name: weight.detach().clone() for name, weight in module.named_parameters()}


def test_a_weight_depends_on_seed_and_name_alone(make_config: MakeConfig) -> None:
    with_order = _initialised(PretrainingModel(make_config(), sentence_order=True), 5)
    without = _initialised(PretrainingModel(make_config(), sentence_order=False), 5)
    other_seed = _initialised(PretrainingModel(make_config(), sentence_order=False), 6)

    assert set(without) < set(with_order)
    for name, weight in without.items():
        assert torch.equal(weight, with_order[name]), name
        assert weight.dim() == 1 or not torch.equal(weight, other_seed[name]), name
    matrices = [weight.flatten()[:30] for weight in without.values() if weight.dim() > 1]
    assert len(torch.unique(torch.stack(matrices), dim=0)) == len(matrices)


def test_the_global_random_state_is_neither_used_nor_changed(make_config: MakeConfig) -> None:
    encoder = Encoder(make_config())
    before = torch.random.get_rng_state()
    initialise(encoder, 1)

    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("architecture", ["megatron", "bert"])
def test_deviations_are_the_papers(make_config: MakeConfig, architecture: str) -> None:
    config = make_config(architecture=architecture, layers=8, hidden=128, feed_forward=256)
    for name, weight in _initialised(PretrainingModel(config, sentence_order=True), 0).items():
        if "norm.weight" in name:
            assert (weight == 1.0).all(), name
        elif weight.dim() == 1:
            assert (weight == 0.0).all(), name
        else:
            is_residual = ".layers." in name and name.endswith(".output.weight")
            expected = 0.02 / 4 if is_residual and architecture == "megatron" else 0.02  # sqrt(2 * 8) = 4
            spread = 4 / math.sqrt(2 * weight.numel())  # of an estimated deviation: 4 of its own deviations
            assert weight.std().item() == pytest.approx(expected, rel=max(spread, 0.02)), name

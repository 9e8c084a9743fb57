"""AdamW as the paper has it, and its state by name."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from domainlm.errors import ModelError
from domainlm.recipe.optimizer_settings import OptimizerSettings
from domainlm.train.optimizer import build_optimizer, optimizer_tensors, restore_optimizer

SETTINGS = OptimizerSettings(learning_rate=0.1, weight_decay=0.5, beta1=0.9, beta2=0.99, epsilon=1e-6)


def _model() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(2.0)
    return model


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, gradient: float) -> None:
    for weight in model.parameters():
        weight.grad = torch.full_like(weight, gradient)
    optimizer.step()


def test_two_steps_are_loshchilovs_and_vectors_do_not_decay() -> None:
    model = _model()
    optimizer = build_optimizer(model, SETTINGS)
    expected = {"matrix": 2.0, "vector": 2.0}
    first = second = 0.0
    for count, gradient in enumerate((3.0, -1.0), start=1):
        _step(model, optimizer, gradient)
        first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2
        change = first / (1 - 0.9**count) / (math.sqrt(second / (1 - 0.99**count)) + 1e-6)
        expected = {  # algorithm 2 of Loshchilov and Hutter 2019
            "matrix": expected["matrix"] * (1 - 0.1 * 0.5) - 0.1 * change,
            "vector": expected["vector"] - 0.1 * change,
        }

    for name, weight in model.named_parameters():
        wanted = expected["matrix" if name == "0.weight" else "vector"]
        torch.testing.assert_close(weight, torch.full_like(weight, wanted), msg=name)


def test_state_goes_to_another_process_by_name() -> None:
    model, other = _model(), _model()
    optimizer, restored = build_optimizer(model, SETTINGS), build_optimizer(other, SETTINGS)
    for gradient in (1.0, -2.0, 0.5):
        _step(model, optimizer, gradient)
    tensors = optimizer_tensors(optimizer, model)
    other.load_state_dict(model.state_dict())
    restore_optimizer(restored, other, tensors.items())

    assert {name.rpartition("|")[2] for name in tensors} == {"exp_avg", "exp_avg_sq", "step"}
    _step(model, optimizer, 0.3)
    _step(other, restored, 0.3)
    for name, weight in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], weight), name


def test_weights_that_are_frozen_have_no_state() -> None:
    model = _model()
    model[0].requires_grad_(False)  # type: ignore[index]
    optimizer = build_optimizer(model, SETTINGS)
    _step(model, optimizer, 1.0)

    assert {name.partition("|")[0] for name in optimizer_tensors(optimizer, model)} == {"1.weight", "1.bias"}


def test_state_of_another_model_is_refused() -> None:
    model = _model()
    with pytest.raises(ModelError, match=r"(?s)another model.*7\.weight"):
        restore_optimizer(build_optimizer(model, SETTINGS), model, [("7.weight|step", torch.ones(()))])

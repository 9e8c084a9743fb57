"""AdamW without weight decay on biases and normalisations; its state by parameter name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from domainlm.errors import ModelError
from domainlm.parallel.state_names import split_state_name, state_name
from domainlm.recipe.optimizer_settings import OptimizerSettings
from domainlm.train.adamw import AdamW
from domainlm.train.layer_decay import split_groups


def build_optimizer(model: nn.Module, settings: OptimizerSettings) -> AdamW:
    """AdamW over the trainable parameters, fused where the device has it.

    Vectors, that is biases and the weights of normalisations, are not decayed.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = split_groups(optimizer_groups(trainable, settings), dict(model.named_parameters()), settings.layer_decay)
    return AdamW(groups, **optimizer_defaults(settings))


def optimizer_groups(parameters: Sequence[nn.Parameter], settings: OptimizerSettings) -> list[dict[str, Any]]:
    """The parameters with weight decay and those without, as an optimizer takes them."""
    decayed = [parameter for parameter in parameters if parameter.ndim > 1]
    plain = [parameter for parameter in parameters if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def optimizer_defaults(settings: OptimizerSettings) -> dict[str, Any]:
    """What all groups have in common."""
    return {
        "lr": settings.learning_rate,
        "betas": (settings.beta1, settings.beta2),
        "eps": settings.epsilon,
        "fused": True,
    }


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, torch.Tensor]:
    """The optimizer's state as tensors named `PARAMETER|KEY`, so that it does not depend on the order of parameters."""
    tensors = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[state_name(name, key)] = value if isinstance(value, torch.Tensor) else torch.tensor(value)
    return tensors


def restore_optimizer(
    optimizer: torch.optim.Optimizer, model: nn.Module, tensors: Iterable[tuple[str, torch.Tensor]]
) -> None:
    """Put back what `optimizer_tensors` gave; each tensor is copied before the next one is asked for.

    Raises:
        ModelError: a tensor belongs to no parameter of the model.
    """
    parameters = dict(model.named_parameters())
    for full_name, tensor in tensors:
        name, key = split_state_name(full_name)
        if name not in parameters:
            raise ModelError("the optimizer's state belongs to another model", given=name, allowed=list(parameters))
        parameter = parameters[name]
        # AdamW's step count stays where it was; the moments go where the weights are.
        device = torch.device("cpu") if tensor.ndim == 0 and parameter.device.type == "cpu" else parameter.device
        optimizer.state[parameter][key] = tensor.to(device, copy=True)

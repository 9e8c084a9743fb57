"""AdamW without weight decay on biases and normalisations; its state by parameter name."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import nn

from domainlm.errors import ModelError
from domainlm.recipe.schema import OptimizerSettings

_SEPARATOR = "|"
_LAYER = re.compile(r"(?:^|\.)encoder\.layers\.(\d+)\.")
_EMBEDDINGS = re.compile(r"(?:^|\.)encoder\.embeddings\.")


def build_optimizer(model: nn.Module, settings: OptimizerSettings) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) over the trainable parameters, fused where the device has it.

    Vectors, that is biases and the weights of normalisations, are not decayed. Each group has a "rate_scale", by which
    whoever sets its learning rate multiplies it: 1, or less in lower layers where `layer_decay` says so.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    depths = parameter_depths(model)
    for is_matrix in (True, False):
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and (parameter.ndim > 1) == is_matrix:
                scale = settings.layer_decay ** depths[name]
                groups.setdefault((scale, is_matrix), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "weight_decay": settings.weight_decay if is_matrix else 0.0,
                "lr": settings.learning_rate * scale,
                "rate_scale": scale,
            }
            for (scale, is_matrix), parameters in groups.items()
        ],
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )


def parameter_depths(model: nn.Module) -> dict[str, int]:
    """How many layers below the heads each parameter is, by name: 0 for heads and what follows the last layer.

    The top layer is at 1, the lowest at the number of layers, the embeddings below it.
    """
    names = [name for name, _ in model.named_parameters()]
    layers = {name: int(found[1]) for name in names if (found := _LAYER.search(name))}
    num_layers = max(layers.values(), default=-1) + 1
    return {
        name: num_layers - layers[name] if name in layers else (num_layers + 1) * bool(_EMBEDDINGS.search(name))
        for name in names
    }


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, torch.Tensor]:
    """The optimizer's state as tensors named `PARAMETER|KEY`, so that it does not depend on the order of parameters."""
    tensors = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{name}{_SEPARATOR}{key}"] = value if isinstance(value, torch.Tensor) else torch.tensor(value)
    return tensors


def restore_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put back what `optimizer_tensors` gave.

    Raises:
        ModelError: a tensor belongs to no parameter of the model.
    """
    parameters = dict(model.named_parameters())
    for full_name, tensor in tensors.items():
        name, _, key = full_name.rpartition(_SEPARATOR)
        if name not in parameters:
            raise ModelError("the optimizer's state belongs to another model", given=name, allowed=list(parameters))
        parameter = parameters[name]
        # AdamW's step count stays where it was; the moments go where the weights are.
        device = torch.device("cpu") if tensor.ndim == 0 and parameter.device.type == "cpu" else parameter.device
        optimizer.state[parameter][key] = tensor.to(device, copy=True)

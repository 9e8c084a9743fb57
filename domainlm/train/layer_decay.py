"""Lower layers learn more slowly: layer-wise decay of the learning rate (Clark et al. 2020, section 3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

RATE_SCALE = "rate_scale"
"""Key of a group of parameters, by which `set_learning_rate` multiplies the rate where it is there."""

_LAYER = re.compile(r"(?:^|\.)encoder\.layers\.(\d+)\.")
_EMBEDDINGS = re.compile(r"(?:^|\.)encoder\.embeddings\.")


def split_groups(
    groups: Sequence[dict[str, Any]],
    named: Mapping[str, nn.Parameter],
    decay: float,
    names: Iterable[str] | None = None,
) -> list[dict[str, Any]]:
    """Split an optimizer's groups of parameters by the layers that they are in.

    Args:
        groups: each with its "params", as an optimizer takes them.
        named: every parameter that is here by its full name, those that are not trained too.
        decay: each layer learns at this share of the rate of the layer above; 1 leaves the groups as they are.
        names: of all parameters of the model; those of `named` where None.

    Returns:
        Groups with their `RATE_SCALE`; parameters keep their order.
    """
    if decay == 1.0:
        return list(groups)
    depths = parameter_depths(named if names is None else names)
    scales = {id(parameter): decay ** depths[name] for name, parameter in named.items()}
    split: list[dict[str, Any]] = []
    for group in groups:
        by_scale: dict[float, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            by_scale.setdefault(scales[id(parameter)], []).append(parameter)
        split += [{**group, "params": params, RATE_SCALE: scale} for scale, params in by_scale.items()]
    return split


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Have the optimizer's next step use a learning rate, each group its share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(RATE_SCALE, 1.0)


def parameter_depths(names: Iterable[str]) -> dict[str, int]:
    """How many layers below the heads each parameter is, by name: 0 for heads and what follows the last layer.

    The top layer is at 1, the lowest at the number of layers, the embeddings below it.
    """
    every = list(names)
    layers = {name: int(found[1]) for name in every if (found := _LAYER.search(name))}
    num_layers = max(layers.values(), default=-1) + 1
    return {
        name: num_layers - layers[name] if name in layers else (num_layers + 1) * bool(_EMBEDDINGS.search(name))
        for name in every
    }

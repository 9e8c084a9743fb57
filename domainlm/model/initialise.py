"""First weights, each a function of the seed and of its own name: the same whatever else the model holds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from domainlm.model.origin import Drawn, note_origin

STANDARD_DEVIATION = 0.02
"""Of all weights but those of normalisations (Devlin et al. 2019)."""

_RESIDUAL_OUTPUTS = ("attention.output.weight", "feed_forward.output.weight")


def initialise(module: nn.Module, seed: int) -> None:
    """Draw every parameter of `module` anew, in place, on the CPU; without memory (meta), note how to draw it.

    Matrices from N(0, 0.02); the output layers of the residual branches from N(0, 0.02 / sqrt(2 * layers)) where layers
    normalise first (Shoeybi et al. 2019, section 4, after Radford et al. 2019). Biases are zero, normalisations one.
    """
    num_layers = sum(1 for _, each in module.named_modules() if getattr(each, "norms_first", False))
    norms = {
        f"{name}.weight" if name else "weight"
        for name, each in module.named_modules()
        if isinstance(each, nn.LayerNorm)
    }
    for name, parameter in module.named_parameters():
        scaled = num_layers > 0 and name.endswith(_RESIDUAL_OUTPUTS)
        deviation = STANDARD_DEVIATION / math.sqrt(2 * num_layers) if scaled else STANDARD_DEVIATION
        fill = _filler(name, parameter.ndim, deviation, seed, is_norm=name in norms)
        if parameter.is_meta:
            note_origin(parameter, Drawn(parameter.shape, fill))
        else:
            fill(parameter.data)


def _filler(name: str, ndim: int, deviation: float, seed: int, *, is_norm: bool) -> Callable[[torch.Tensor], None]:
    if is_norm:
        return partial(_fill, 1.0)
    return partial(_fill, 0.0) if ndim == 1 else partial(_draw, name, deviation, seed)


def _fill(value: float, tensor: torch.Tensor) -> None:
    tensor.fill_(value)


def _draw(name: str, deviation: float, seed: int, tensor: torch.Tensor) -> None:
    tensor.normal_(0.0, deviation, generator=_generator(seed, name))


def _generator(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)

"""First weights, each a function of the seed and of its own name: the same whatever else the model holds."""

from __future__ import annotations

import hashlib
import math

import torch
from torch import nn

STANDARD_DEVIATION = 0.02
"""Of all weights but those of normalisations (Devlin et al. 2019)."""

_RESIDUAL_OUTPUTS = ("attention.output.weight", "feed_forward.output.weight")


def initialise(module: nn.Module, seed: int) -> None:
    """Draw every parameter of `module` anew, in place, on the CPU.

    Matrices from N(0, 0.02); the output layers of the residual branches from N(0, 0.02 / sqrt(2 * layers)) where layers
    normalise first (Shoeybi et al. 2019, section 4, after Radford et al. 2019). Biases are zero, normalisations one.
    """
    num_layers = sum(1 for _, each in module.named_modules() if getattr(each, "norms_first", False))
    norms = {
        f"{name}.weight" if name else "weight"
        for name, each in module.named_modules()
        if isinstance(each, nn.LayerNorm)
    }
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name in norms:
                parameter.fill_(1.0)
            elif parameter.ndim == 1:
                parameter.zero_()
            else:
                scaled = num_layers > 0 and name.endswith(_RESIDUAL_OUTPUTS)
                deviation = STANDARD_DEVIATION / math.sqrt(2 * num_layers) if scaled else STANDARD_DEVIATION
                parameter.normal_(0.0, deviation, generator=_generator(seed, name))


def _generator(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)

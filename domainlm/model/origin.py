"""Where a parameter's first values come from, for models that are built without memory (on torch's meta device).

`initialise` and `load_weights` note it on such parameters in place of filling them. Whoever holds a part of the model
then reads that part alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors import safe_open
from torch import nn

Slices = tuple[slice, ...]
_ATTRIBUTE = "domainlm_origin"


class Origin(Protocol):
    """Gives a part of a parameter's first values."""

    def read(self, slices: Slices) -> torch.Tensor:
        """The values at `whole[slices]`, on the CPU; all of them where there are no slices."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Random or constant values: they are made as a whole, one parameter at a time, and cut.

    Attributes:
        shape: of the whole.
        fill: fills a tensor of that shape.
    """

    shape: torch.Size
    fill: Callable[[torch.Tensor], None]

    def read(self, slices: Slices) -> torch.Tensor:
        """The values at `whole[slices]`."""
        whole = torch.empty(self.shape, device="cpu")
        self.fill(whole)
        return whole[slices] if slices else whole


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in a safetensors file, of which only the part asked for is read.

    Attributes:
        path: the file.
        name: the tensor.
    """

    path: Path
    name: str

    def read(self, slices: Slices) -> torch.Tensor:
        """The values at `whole[slices]`."""
        with safe_open(self.path, framework="pt", device="cpu") as file:
            values: torch.Tensor = file.get_slice(self.name)[slices] if slices else file.get_tensor(self.name)
        return values


def note_origin(parameter: nn.Parameter, origin: Origin) -> None:
    """Remember where a parameter without memory has its values from."""
    setattr(parameter, _ATTRIBUTE, origin)


def origin_of(parameter: nn.Parameter) -> Origin:
    """Where its values come from. A parameter that nothing was noted for is a mistake of the model's code."""
    origin: Origin | None = getattr(parameter, _ATTRIBUTE, None)
    assert origin is not None, "a parameter was neither drawn nor loaded"
    return origin

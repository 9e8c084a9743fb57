"""Whether the kernels of our own run on a device: those of attention and of the vocabulary's softmax, in Triton."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec

import torch

_CAPABILITY = 9
"""Hopper, where they were measured."""


def has_kernels(device: torch.device) -> bool:
    """Whether they run on a device of the kind that they were measured on."""
    if device.type != "cuda" or torch.version.cuda is None:  # "cuda" are AMD's GPUs too
        return False
    return torch.cuda.get_device_capability(device)[0] == _CAPABILITY and _has_triton()


@lru_cache(maxsize=1)
def _has_triton() -> bool:
    """Whether Triton is there; then attention's operators are defined, before torch.compile comes upon them."""
    if find_spec("triton") is None:
        return False
    import_module("domainlm.model.short_attention")
    return True

"""Whether the kernels of our own run on a device: those of attention and of the vocabulary's softmax, in Triton."""

from __future__ import annotations

import hashlib
import logging
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch

_LOG = logging.getLogger(__name__)
_CAPABILITY = 9
"""Hopper, where they were measured."""
_SOURCES = ("triton_attention.py", "short_attention.py")


def has_kernels(device: torch.device) -> bool:
    """Whether they run on a device of the kind that they were measured on."""
    if device.type != "cuda" or torch.version.cuda is None:  # "cuda" are AMD's GPUs too
        return False
    return torch.cuda.get_device_capability(device)[0] == _CAPABILITY and _has_triton()


def kernels_digest() -> str:
    """A hash of the source of attention's kernels, which torch leaves out of the keys of compiled layers on disk."""
    folder = Path(__file__).parent
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in _SOURCES)).hexdigest()[:16]


@lru_cache(maxsize=1)
def _has_triton() -> bool:
    """Whether Triton can launch; then attention's operators are defined, before torch.compile comes upon them."""
    if find_spec("triton") is None:
        return False
    try:
        _prepare_launches()
        import_module("domainlm.model.short_attention")
    except Exception as error:  # noqa: BLE001 - a C compiler, Python's headers, a folder to write to, Triton's own parts
        problem = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        _LOG.warning("Triton cannot launch kernels here, torch's own are used, which are slower: %s", problem)
        return False
    return True


def _prepare_launches() -> None:
    """Have Triton compile what launches kernels, as it would at the first of them."""
    driver = import_module("triton.runtime.driver").driver
    _ = driver.active.utils

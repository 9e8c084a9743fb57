"""Putting other parameters into a module."""

from __future__ import annotations

from torch import nn


def replace_parameter(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
    """Put a parameter in place of that of the full name, such as "encoder.norm.weight"."""
    owner, _, own = name.rpartition(".")
    setattr(module.get_submodule(owner), own, parameter)

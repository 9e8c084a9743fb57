"""Activation checkpointing (Chen et al. 2016): activations of a layer are computed again in the backward pass."""

from __future__ import annotations

import torch
from torch import nn

from domainlm.model.visible import Visible
from domainlm.parallel.device import Device


class _WithAutocast(nn.Module):
    """A layer that enters autocast itself: computing it again, fairscale would enter that of CUDA in fp16 only."""

    def __init__(self, layer: nn.Module, device: Device) -> None:
        super().__init__()
        self.layer = layer
        self._device = device

    def forward(self, states: torch.Tensor, visible: Visible, read: torch.Tensor | None = None) -> torch.Tensor:
        with self._device.autocast():
            result: torch.Tensor = self.layer(states, visible, read)
        return result


class _Recomputed(nn.Module):
    """A layer in fairscale's wrapper, where there is a backward pass; called plainly where there is none."""

    def __init__(self, layer: nn.Module, device: Device) -> None:
        from fairscale.nn.checkpoint import checkpoint_wrapper

        super().__init__()
        inner = _WithAutocast(layer, device)
        self._plain = inner.forward
        self.wrapped = checkpoint_wrapper(inner)
        self._device = device.torch_device.type

    def forward(self, states: torch.Tensor, visible: Visible, read: torch.Tensor | None = None) -> torch.Tensor:
        if not states.requires_grad and not any(each.requires_grad for each in self.parameters()):
            return self._plain(states, visible, read)  # no backward pass comes here, which fairscale would refuse
        with torch.autocast(self._device, enabled=False):
            result: torch.Tensor = self.wrapped(states, visible, read)
        return result


def recomputed(layer: nn.Module, device: Device) -> nn.Module:
    """A layer whose activations are not kept; dropout draws the same numbers again (fairscale keeps torch's states)."""
    return _Recomputed(layer, device)

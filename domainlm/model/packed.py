"""Linear maps for prediction on a CPU: weights laid out for oneDNN's products once, GELU computed with the product.

A product lays its weights out anew each time, since training changes them. On two cores with avx512_bf16 but no AMX
(torch 2.13), products of 2,048 rows with the weights of 6 layers x 384 and of 12 x 768 ran at 190 GFLOP/s in fp32 and
390 in bf16; laid out beforehand at 220 and 435.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import nn

from domainlm.model.encoder import FeedForward, Layer, OutputLinear, SelfAttention

_MACHINES = ("x86_64", "AMD64")
"""Elsewhere torch's operator may call other libraries, which were not tried."""
_DTYPES = (torch.float32, torch.bfloat16)
_NUM_ROWS = 2048
"""That the layout is chosen for; it serves any number."""


class PackedLinear(nn.Module):
    """`nn.Linear` or `OutputLinear`, on a CPU, with the weights it has when this is made and without gradients.

    Args:
        linear: with a bias.
        dtype: of the product; `packs` says which can be.
        gelu: `nn.GELU.approximate` of the activation that follows; None where none does.
    """

    def __init__(self, linear: nn.Linear, dtype: torch.dtype, gelu: str | None = None) -> None:
        super().__init__()
        weight, bias = linear.weight.detach(), linear.bias.detach()
        self._dtype = dtype
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype), _NUM_ROWS)  # noqa: SLF001
        is_apart = isinstance(linear, OutputLinear) and bias.dtype != dtype  # as it has it under autocast
        self._bias = None if is_apart else bias.to(dtype)
        self._bias_apart = bias if is_apart else None
        self._activation = ("none", "") if gelu is None else ("gelu", gelu)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """[..., in_features] to [..., out_features]."""
        name, algorithm = self._activation
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001
            states.to(self._dtype), self._weight, self._bias, name, [], algorithm
        )
        return product if self._bias_apart is None else product + self._bias_apart


class Replaced(NamedTuple):
    """A module that another one took the place of."""

    owner: nn.Module
    name: str
    module: nn.Module

    def put_back(self) -> None:
        """Undo it."""
        setattr(self.owner, self.name, self.module)


def packs(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether products in a format are packed on a device."""
    if device.type != "cpu" or dtype not in _DTYPES or platform.machine() not in _MACHINES:
        return False
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001


def pack_layers(model: nn.Module, device: torch.device, dtype: torch.dtype) -> list[Replaced]:
    """Pack the linear maps of all layers of a model that is on the device; those divided among ranks stay as they are.

    Args:
        model: any module; its layers are found wherever they are.
        device: where it computes; nothing is done where `packs` says no.
        dtype: of the products.
    """
    if not packs(device, dtype):
        return []
    replaced: list[Replaced] = []

    def replace(owner: nn.Module, name: str, module: nn.Module) -> None:
        replaced.append(Replaced(owner, name, owner.get_submodule(name)))
        setattr(owner, name, module)

    def pack(owner: SelfAttention | FeedForward, name: str, gelu: str | None = None) -> bool:
        linear = owner.get_submodule(name)
        if type(linear) not in (nn.Linear, OutputLinear):
            return False
        assert isinstance(linear, nn.Linear)
        replace(owner, name, PackedLinear(linear, dtype, gelu))
        return True

    for layer in [each for each in model.modules() if isinstance(each, Layer)]:
        pack(layer.attention, "query_key_value")
        pack(layer.attention, "output")
        activation = layer.feed_forward.activation
        if isinstance(activation, nn.GELU) and pack(layer.feed_forward, "inner", activation.approximate):
            replace(layer.feed_forward, "activation", nn.Identity())
        pack(layer.feed_forward, "output")
    return replaced


@contextmanager
def packed_layers(model: nn.Module, device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """A context in which the layers of a model are packed; it only predicts there, and its weights stay as they are."""
    replaced = pack_layers(model, device, dtype)
    try:
        yield
    finally:
        for each in reversed(replaced):
            each.put_back()

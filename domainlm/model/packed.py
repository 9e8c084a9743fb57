"""Linear maps for prediction on a CPU: weights laid out for oneDNN's products once, GELU computed with the product.

A product lays its weights out anew each time, since training changes them. On two cores with avx512_bf16 but no AMX
(torch 2.13), products of 2,048 rows with the weights of 6 layers x 384 and of 12 x 768 ran at 190 GFLOP/s in fp32 and
390 in bf16; laid out beforehand at 220 and 435.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from domainlm.model.encoder import Layer, OutputLinear

_MACHINES = ("x86_64", "AMD64")
"""Elsewhere torch's operator may call other libraries, which were not tried."""
_DTYPES = (torch.float32, torch.bfloat16)
_NUM_ROWS = 2048
"""That the layout is chosen for; it serves any number."""
_FEW_ROWS, _MULTIPLE_OF_FEW, _MULTIPLE_OF_MANY = 256, 16, 64
"""For every new number of rows oneDNN makes kernels of some 0.5 MB that it never gives up (torch 2.13): texts of 1 to
512 sub-tokens, one at a time, took 950 MB. So up to 256 rows are filled up to multiples of 16, more to those of 64."""


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
        self._weight = _laid_out(weight.to(dtype))
        is_apart = isinstance(linear, OutputLinear) and bias.dtype != dtype  # as it has it under autocast
        self._bias = None if is_apart else bias.to(dtype)
        self._bias_apart = bias if is_apart else None
        self._activation = ("none", "") if gelu is None else ("gelu", gelu)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """[..., in_features] to [..., out_features]."""
        name, algorithm = self._activation
        rows = states.to(self._dtype).flatten(0, -2)
        num_more = filled_up(len(rows)) - len(rows)
        filled = functional.pad(rows, (0, 0, 0, num_more)) if num_more else rows
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001
            filled, self._weight, self._bias, name, [], algorithm
        )
        product = product[: len(rows)].view(*states.shape[:-1], product.shape[-1])
        return product if self._bias_apart is None else product + self._bias_apart

    def __getstate__(self) -> dict[str, Any]:
        """For copies and other processes: a layout has no bytes that could be written down."""
        return {**self.__dict__, "_weight": self._weight.to_dense()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The inverse of `__getstate__`."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._weight = _laid_out(self._weight)


def _laid_out(weight: torch.Tensor) -> torch.Tensor:
    laid_out: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, _NUM_ROWS)  # noqa: SLF001
    return laid_out


def filled_up(num_rows: int) -> int:
    """To how many rows a packed product adds some."""
    multiple = _MULTIPLE_OF_FEW if num_rows <= _FEW_ROWS else _MULTIPLE_OF_MANY
    return -(-num_rows // multiple) * multiple


class Replacement(NamedTuple):
    """A module, and another one to take its place."""

    owner: nn.Module
    name: str
    before: nn.Module
    after: nn.Module

    def put(self) -> None:
        """Do it."""
        setattr(self.owner, self.name, self.after)

    def put_back(self) -> None:
        """Undo it, whether it was done or not."""
        setattr(self.owner, self.name, self.before)


def packs(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether products in a format are packed on a device."""
    if device.type != "cpu" or dtype not in _DTYPES or platform.machine() not in _MACHINES:
        return False
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001


def pack_layers(model: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Pack the linear maps of all layers of a model for good; each gives up its own weights as soon as it is packed.

    Args:
        model: any module that is on the device; its layers are found wherever they are.
        device: where it computes; nothing is done where `packs` says no.
        dtype: of the products.
    """
    for each in replacements(model, device, dtype):
        each.put()


@contextmanager
def packed_layers(model: nn.Module, device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """A context in which the layers of a model are packed; it only predicts there, and its weights stay as they are."""
    # Packing takes a while. Whoever is interrupted meanwhile saves the model, which has to be whole then.
    prepared = list(replacements(model, device, dtype))
    try:
        for each in prepared:
            each.put()
        yield
    finally:
        for each in prepared:
            each.put_back()


def replacements(model: nn.Module, device: torch.device, dtype: torch.dtype) -> Iterator[Replacement]:
    """Make what takes the place of linear maps, as it is asked for; maps packed already or divided among ranks stay."""
    if not packs(device, dtype):
        return
    for layer in [each for each in model.modules() if isinstance(each, Layer)]:
        attention, feed_forward = layer.attention, layer.feed_forward
        places: list[tuple[nn.Module, str, str | None]] = [
            (attention, "query_key_value", None),
            (attention, "output", None),
            (feed_forward, "output", None),
        ]
        activation = feed_forward.activation
        if isinstance(activation, nn.GELU) and _is_plain(feed_forward.inner):
            yield Replacement(feed_forward, "activation", activation, nn.Identity())
            places.append((feed_forward, "inner", activation.approximate))
        for owner, name, gelu in places:
            linear = owner.get_submodule(name)
            if isinstance(linear, nn.Linear) and _is_plain(linear):
                yield Replacement(owner, name, linear, PackedLinear(linear, dtype, gelu))


def _is_plain(module: nn.Module) -> bool:
    return type(module) in (nn.Linear, OutputLinear)

"""Which kernels the encoder really calls on a device, and in which number format; and how fast products are there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.parallel.device import Device

_PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "linear", "attention")
_TINY = ModelConfig(
    layers=1,
    hidden=64,
    heads=2,
    feed_forward=128,
    max_positions=32,
    architecture="megatron",
    dropout=0.1,
    vocabulary_size=64,
    padded_vocabulary_size=64,
)
_WIDTH = 1024
_NUM_PRODUCTS = 5


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the matrix products and attention kernels that torch dispatches."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: dict[str, None] = {}

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - torch names no public type
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the kernel gives
        del types
        name = func.overloadpacket.__name__
        if name in _PRODUCTS or "attention" in name:
            dtype = next((str(each.dtype).removeprefix("torch.") for each in args if torch.is_tensor(each)), "")
            self.seen.setdefault(f"{name} {dtype}")
        return func(*args, **(kwargs or {}))


def kernels_in_use(device: Device, *, training: bool) -> tuple[str, ...]:
    """The matrix products and attention kernels of one encoder layer, each with its number format.

    Args:
        device: where, and in which precision.
        training: forward and backward pass with dropout; otherwise prediction.
    """
    encoder = Encoder(_TINY).to(device.torch_device).train(training)
    tokens = torch.zeros(2, 16, dtype=torch.long, device=device.torch_device)
    lengths = torch.tensor([16, 9], device=device.torch_device)
    recorder = _Recorder()
    with recorder, torch.set_grad_enabled(training):
        with device.autocast():
            states = encoder(tokens, torch.zeros_like(tokens), lengths)
        if training:
            states.float().sum().backward()
    return tuple(recorder.seen)


def product_speed(device: Device) -> float:
    """Floating-point operations per second of square matrix products of width 1,024, the best of a few."""
    left = torch.ones(_WIDTH, _WIDTH, device=device.torch_device)
    best = 0.0
    with device.autocast(), torch.no_grad():
        for _ in range(_NUM_PRODUCTS):
            started = time.perf_counter()
            left @ left
            _wait(device)
            best = max(best, 2 * _WIDTH**3 / (time.perf_counter() - started))
    return best


def _wait(device: Device) -> None:
    if device.torch_device.type == "cuda":
        torch.cuda.synchronize(device.torch_device)

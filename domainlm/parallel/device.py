"""The one place that picks device, threads and autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from domainlm.errors import MachineError

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device with the precision to compute in.

    Attributes:
        torch_device: where tensors live.
        precision: "fp32", or "bf16" for matrix products in bfloat16 with fp32 weights.
    """

    torch_device: torch.device
    precision: Precision

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which forward passes run."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.torch_device.type, dtype=torch.bfloat16)


def choose_device(
    kind: Literal["auto", "cpu", "cuda"], precision: Precision, num_threads: int | None = None
) -> Device:
    """Choose the device and set the number of CPU threads of this process.

    Args:
        kind: "auto" takes a GPU where there is one.
        precision: format of the matrix products.
        num_threads: CPU threads; as torch has it where None.

    Raises:
        MachineError: the device or the precision is not to be had.
    """
    has_gpu = torch.cuda.is_available()
    if kind == "cuda" and not has_gpu:
        raise MachineError(
            "there is no CUDA device",
            where="runtime.device",
            given=kind,
            remedy='use device = "auto" or "cpu"; `domainlm doctor` shows what this machine and this torch have',
        )
    if num_threads is not None and num_threads != torch.get_num_threads():
        torch.set_num_threads(num_threads)
    name = "cuda" if has_gpu and kind != "cpu" else "cpu"
    if name == "cuda" and precision == "bf16" and not torch.cuda.is_bf16_supported():
        raise MachineError(
            f"{torch.cuda.get_device_name()} has no bfloat16",
            where="runtime.precision",
            given=precision,
            allowed="fp32",
        )
    return Device(torch_device=torch.device(name), precision=precision)

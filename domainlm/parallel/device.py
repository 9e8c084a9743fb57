"""The one place that picks device, threads, autocast and how memory is kept."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from domainlm.errors import MachineError, causes
from domainlm.model.packed import packed_layers
from domainlm.plan.work import Precision

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4  # malloc.h of glibc
_ALLOCATOR_VARIABLES = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
_MAX_FREE_BYTES_KEPT = 2**31 - 1
_NUM_BLOCKS_MAPPED, _MIN_BYTES_MAPPED = 2**16, 2**20
_KERNEL_VARIABLES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "DNNL_PRIMITIVE_CACHE_CAPACITY")
_NUM_KERNELS_KEPT = 64
_PRODUCTS_VARIABLE, _SAME_PRODUCTS = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
_NOT_DETERMINISTIC = "does not have a deterministic implementation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device with the precision to compute in.

    Attributes:
        torch_device: where tensors live.
        precision: "fp32"; "bf16" or "fp16" for matrix products in that format with fp32 weights; "bf16_weights" for
            weights in bfloat16 too, with fp32 copies that the optimizer updates.
        is_deterministic: whether a GPU trains with kernels that give the same bytes each time.
        compiles: whether layers are pretrained by torch.compile.
    """

    torch_device: torch.device
    precision: Precision
    is_deterministic: bool = True
    compiles: bool = False

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which forward passes run."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.torch_device.type, dtype=self.product_dtype)

    @property
    def product_dtype(self) -> torch.dtype:
        """The format of matrix products."""
        if self.precision == "fp32":
            return torch.float32
        return torch.float16 if self.precision == "fp16" else torch.bfloat16

    @contextmanager
    def predicting(self, model: nn.Module) -> Iterator[None]:
        """The context in which a model that is on the device predicts; its weights stay as they are meanwhile."""
        # Autocast is around all that is predicted, so that each weight is cast once.
        with packed_layers(model, self.torch_device, self.product_dtype), self.autocast():
            yield

    @contextmanager
    def training(self) -> Iterator[None]:
        """The context in which gradients are computed.

        Raises:
            MachineError: the same bytes each time are asked for, and an operation has no kernel for that.
        """
        if self.torch_device.type != "cuda" or not self.is_deterministic:
            yield
            return
        with _deterministic_kernels():
            try:
                yield
            except RuntimeError as error:
                texts = map(str, causes(error))  # pipelines wrap what a stage raises
                text = next((each for each in texts if _NOT_DETERMINISTIC in each), None)
                if text is None:
                    raise
                raise MachineError(
                    text.partition(_NOT_DETERMINISTIC)[0] + "cannot give the same bytes each time on a GPU",
                    where="runtime.deterministic",
                    given="true",
                    remedy="set it to false; results are then equal up to rounding only",
                ) from error


def own_random_state(device: Device) -> AbstractContextManager[None]:
    """A context that gives the caller's random state back at its end: that of the CPU, and of this GPU alone."""
    return torch.random.fork_rng([device.torch_device] if device.torch_device.type == "cuda" else [])


@contextmanager
def _deterministic_kernels() -> Iterator[None]:
    """Torch's switch for the whole process, and back. Memory that nobody reads is not filled, which only costs time."""
    was_on = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic  # what it has is a property of the module, which torch does not type
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(mode=True)
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(was_on, warn_only=only_warned)


def choose_device(kind: Literal["auto", "cpu", "cuda"], precision: Precision, num_threads: int | None = None) -> Device:
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
    if name == "cpu":
        _keep_freed_memory()
        _keep_fewer_kernels()
    if name == "cuda":
        os.environ.setdefault(_PRODUCTS_VARIABLE, _SAME_PRODUCTS)  # read by cuBLAS when it is first used
    if name == "cuda" and precision.startswith("bf16") and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise MachineError(
            f"{torch.cuda.get_device_name()} has no bfloat16",
            where="runtime.precision",
            given=precision,
            allowed="fp32, fp16",
        )
    return Device(torch_device=torch.device(name), precision=precision)


def _keep_freed_memory() -> None:
    """Have glibc keep large freed blocks for the next step.

    Otherwise every block above 32 MiB is mapped anew and handed back when freed, so that each step touches fresh
    pages: 14 % of the time of a step of 4 layers x 256 with a vocabulary of 16,000 went there. Nothing is done
    where the user has chosen another allocator or set glibc's own variables.
    """
    _set_allocator({_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _MAX_FREE_BYTES_KEPT})


def _keep_fewer_kernels() -> None:
    """Have oneDNN keep what it made for 64 shapes of products, not for 1,024; works until the first product.

    Rows of tasks have many lengths and as many shapes: fine-tuning 6 layers x 384 for an epoch and scoring it took
    2.2 GB, and 1.9 GB with fewer kept, in the same time. Steps of one shape are as fast with 64 kept as with 128.
    """
    if not any(name in os.environ for name in _KERNEL_VARIABLES):
        os.environ[_KERNEL_VARIABLES[0]] = str(_NUM_KERNELS_KEPT)


def num_kernels_kept() -> str:
    """How many kernels oneDNN keeps in a run, as its variable says, whoever set it."""
    return next((os.environ[name] for name in _KERNEL_VARIABLES if name in os.environ), str(_NUM_KERNELS_KEPT))


def give_freed_memory_back() -> None:
    """Have glibc map large blocks by themselves and hand them back when freed: for ranks with large models.

    What is kept for the next step lies in pieces between weights, gradients and moments: a rank of 345m on two stages
    and two tensor ranks grew to 2.5 GiB, and to 1.9 GiB, all of them in use, without it.
    """
    _set_allocator({_M_MMAP_MAX: _NUM_BLOCKS_MAPPED, _M_MMAP_THRESHOLD: _MIN_BYTES_MAPPED})


def chosen_allocator() -> tuple[str, ...]:
    """The variables by which the user has chosen an allocator or its settings, as NAME=VALUE; then they are left."""
    return tuple(
        f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(_ALLOCATOR_VARIABLES)
    )


def is_allocator_set() -> bool:
    """Whether glibc is told how to keep memory: on Linux with glibc, where the user has chosen nothing."""
    return sys.platform == "linux" and not chosen_allocator() and hasattr(ctypes.CDLL(None), "mallopt")  # not in musl


def _set_allocator(options: dict[int, int]) -> None:
    if is_allocator_set():
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in options.items():
            mallopt(option, value)

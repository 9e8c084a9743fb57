"""Telling what a device lacks, memory or a GPU for each rank, from the loss of other ranks and from bugs."""

from __future__ import annotations

import re

import torch

from domainlm.errors import MachineError, causes

_GPU_MEMORY = re.compile(
    r"CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|Cuda failure.*out of memory", re.IGNORECASE
)
_HOST_MEMORY = re.compile(r"DefaultCPUAllocator: (can't|not enough)")
_WRONG_USE, _GPU_TWICE = "ncclInvalidUsage", "Duplicate GPU"
_HINTS_BEGIN = " Including non-PyTorch memory"
"""In torch's message, after what was asked for and what there is."""


def device_error(error: BaseException) -> MachineError | None:
    """Translate an error of a device into a `MachineError`; None where it, and what it was raised from, are others."""
    for each in causes(error):
        if isinstance(each, RuntimeError):
            text = str(each)
            if isinstance(each, torch.OutOfMemoryError) or _GPU_MEMORY.search(text):
                return _no_memory("a GPU's memory is used up", text)
            if _HOST_MEMORY.search(text):
                return _no_memory("the memory of this machine is used up", text)
            if _WRONG_USE in text:
                return _wrong_use(text)
    return None


def _no_memory(problem: str, text: str) -> MachineError:
    return MachineError(
        problem,
        given=text.partition(_HINTS_BEGIN)[0].splitlines()[0],
        remedy="lower num_sequences_per_micro_batch of [pretraining] or [finetuning], or set "
        'parallel.activation_checkpointing = "every_layer"; `domainlm plan` says how much memory a rank needs, and '
        "nvidia-smi what else uses a GPU",
    )


def _wrong_use(text: str) -> MachineError:
    last = next(line for line in reversed(text.splitlines()) if line.strip())
    return MachineError(
        "two ranks have the same GPU" if _GPU_TWICE in text else "NCCL refuses how the ranks use their GPUs",
        given=last,
        remedy="give each rank a GPU of its own: as many ranks on a machine as it has GPUs, and either all of them or "
        "another one visible to each (CUDA_VISIBLE_DEVICES); NCCL_DEBUG=WARN has NCCL say more",
    )

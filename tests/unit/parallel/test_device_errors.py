"""Errors of devices and connections, told apart: what torch raises, as it is and wrapped as its pipelines wrap it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import distributed

from domainlm.errors import MachineError
from domainlm.parallel.contact import lost_contact
from domainlm.parallel.device import Device
from domainlm.parallel.device_errors import device_error
from domainlm.parallel.launch import _answer
from domainlm.train.observer import NullObserver
from domainlm.train.ranks import Ranks, on_ranks

Wrap = Callable[[Exception], Exception]

# As torch 2.13 and NCCL 2.27 write them.
_NO_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.20 GiB is free."
    " Including non-PyTorch memory, this process has 77.90 GiB memory in use. Of the allocated memory 70.1 GiB is "
    "allocated by PyTorch, and 6.2 GiB is reserved by PyTorch but unallocated."
)
_TWICE = (
    "NCCL error in: ProcessGroupNCCL.cpp:3690, invalid usage (run with NCCL_DEBUG=WARN for details), NCCL version "
    "2.27.5\nncclInvalidUsage: This usually reflects invalid usage of NCCL library.\nLast error:\n"
    "Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 1b000"
)
_CLOSED = "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:29517"


def wrapped(error: Exception) -> RuntimeError:
    """As `torch.distributed.pipelining` raises what a stage raised."""
    outer = RuntimeError("\n            [Stage 1] failed to run forward:\n            args: ('Tensor(...)',)\n")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped])
def test_too_little_memory_of_a_gpu_says_what_to_lower(wrap: Wrap) -> None:
    kind, told = _answer(wrap(torch.OutOfMemoryError(_NO_MEMORY)))

    assert kind == "error"
    assert isinstance(told, MachineError)
    assert told.problem == "a GPU's memory is used up"
    assert told.given == _NO_MEMORY.partition(" Including")[0]
    assert told.remedy is not None
    for word in ("num_sequences_per_micro_batch", "activation_checkpointing", "domainlm plan"):
        assert word in told.remedy


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call.",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "NCCL error in: NCCLUtils.cpp:94, unhandled cuda error\nLast error:\nCuda failure 2 'out of memory'",
    ],
)
def test_libraries_that_find_no_memory_are_understood(text: str) -> None:
    error = device_error(distributed.DistBackendError(text))
    assert error is not None
    assert error.problem == "a GPU's memory is used up"


def needs_too_much(observer: object) -> None:
    """Asks for more than any machine has."""
    del observer
    torch.empty(2**50)


def fails(observer: object) -> None:
    """A bug."""
    del observer
    raise RuntimeError("hull breach")


def test_training_that_finds_no_memory_is_no_bug(tmp_path: Path) -> None:
    with pytest.raises(
        MachineError, match=r"the memory of this machine is used up(.|\n)*num_sequences_per_micro_batch"
    ):
        on_ranks(needs_too_much, {}, ranks=Ranks(), work=tmp_path, observer=NullObserver())
    with pytest.raises(RuntimeError, match="hull breach"):
        on_ranks(fails, {}, ranks=Ranks(), work=tmp_path, observer=NullObserver())


def test_two_ranks_on_one_gpu_did_not_lose_one_another() -> None:
    error = distributed.DistBackendError(_TWICE)
    kind, told = _answer(error)

    assert lost_contact(error) is None
    assert kind == "error"
    assert told.problem == "two ranks have the same GPU"
    assert told.given == _TWICE.splitlines()[-1]
    assert "CUDA_VISIBLE_DEVICES" in told.remedy
    other = device_error(RuntimeError("ncclInvalidUsage: This usually reflects invalid usage of NCCL library."))
    assert other is not None
    assert other.problem == "NCCL refuses how the ranks use their GPUs"


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped])
@pytest.mark.parametrize(
    "error", [RuntimeError(_CLOSED), distributed.DistNetworkError(_CLOSED), ConnectionResetError(_CLOSED)]
)
def test_a_lost_rank_is_an_effect_also_within_a_stage(wrap: Wrap, error: Exception) -> None:
    assert _answer(wrap(error)) == ("lost", _CLOSED)


def test_a_lost_rank_without_a_word_is_told_by_its_kind() -> None:
    assert lost_contact(BrokenPipeError()) == "BrokenPipeError"


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped])
def test_a_bug_stays_a_bug(wrap: Wrap) -> None:
    kind, told = _answer(wrap(RuntimeError("hull breach")))
    assert kind == "bug"
    assert "hull breach" in told


def test_an_error_of_the_user_is_no_loss_whatever_it_was_raised_from() -> None:
    error = MachineError("no such harbour")
    error.__cause__ = ConnectionResetError(_CLOSED)
    assert lost_contact(error) is None


def stage_without_a_kernel() -> None:
    """A stage whose operation has no deterministic kernel."""
    try:
        torch.zeros(4).put_(torch.tensor([1, 1]), torch.ones(2), accumulate=False)
    except RuntimeError as error:
        raise wrapped(error) from error


def test_a_stage_without_a_deterministic_kernel_says_what_to_do() -> None:
    gpu = Device(torch_device=torch.device("cuda"), precision="fp32")
    with pytest.raises(MachineError, match="put_ cannot give the same bytes each time") as raised, gpu.training():
        stage_without_a_kernel()
    assert raised.value.where == "runtime.deterministic"

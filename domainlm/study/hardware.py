"""What computes: part of the identity of everything that is trained, since it decides the last bits."""

from __future__ import annotations

from typing import Any

import torch

from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.train.ranks import Ranks
from domainlm.train.runtime import open_device


def hardware_identity(runtime: RuntimeSettings) -> dict[str, Any]:
    """Version of torch, kind of device, number format, a CPU's threads and kinds of kernels, as JSON values.

    Raises:
        MachineError: the device or the precision that the recipe asks for is not to be had.
    """
    device = open_device(runtime, pretrains=True)
    kind = device.torch_device.type
    name = (
        torch.cuda.get_device_name(device.torch_device) if kind == "cuda" else torch.backends.cpu.get_cpu_capability()
    )
    facts: dict[str, Any] = {
        "torch": torch.__version__,
        "device": kind,
        "device_name": name,
        "precision": device.precision,
    }
    if kind == "cpu":  # a GPU sums in an order of its own, whatever the threads that feed it
        facts["num_threads"] = torch.get_num_threads()
    if device.compiles:
        facts["compile"] = runtime.compile
    if not device.is_deterministic:
        facts["deterministic"] = False
    return facts


def grid_identity(ranks: Ranks, parallel: ParallelSettings) -> dict[str, Any]:
    """What of the grid decides the bytes of a trained model; nothing for a process by itself.

    Other grids give other last digits, and other dropout. With `parallel.data = "auto"` the number of replicas is left
    out: a run may go on with fewer or more of them, when ranks are lost or come back, and must find its artifact again.
    """
    facts: dict[str, Any] = {
        "data": "auto" if parallel.data == "auto" else ranks.degrees.data,
        "pipeline": ranks.degrees.pipeline,
        "tensor": ranks.degrees.tensor,
        "activation_checkpointing": parallel.activation_checkpointing != "off",
    }
    if parallel.activation_checkpointing != "off":
        facts["dropout"] = 2  # before, attention drew anew when it was computed again
    if ranks.degrees.tensor > 1:
        facts["tensor_sums"] = 2  # before, autocast's gradients were summed in fp32
    if ranks.degrees.pipeline > 1:
        facts |= parallel.model_dump(include={"engine", "schedule", "num_stages_per_rank"})
        if parallel.divide_vocabulary:
            facts["divide_vocabulary"] = True
    plain = {"data": 1, "pipeline": 1, "tensor": 1, "activation_checkpointing": False}
    return {} if facts == plain else {"grid": facts}

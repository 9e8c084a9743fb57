"""What computes: part of the identity of everything that is trained, since it decides the last bits."""

from __future__ import annotations

from typing import Any

import torch

from domainlm.recipe.schema import RuntimeSettings
from domainlm.train.ranks import Ranks
from domainlm.train.runtime import open_device


def hardware_identity(runtime: RuntimeSettings) -> dict[str, Any]:
    """Version of torch, kind of device, number format and threads, as JSON values.

    Raises:
        MachineError: the device or the precision that the recipe asks for is not to be had.
    """
    device = open_device(runtime)
    kind = device.torch_device.type
    name = (
        torch.cuda.get_device_name(device.torch_device) if kind == "cuda" else torch.backends.cpu.get_cpu_capability()
    )
    return {
        "torch": torch.__version__,
        "device": kind,
        "device_name": name,
        "precision": device.precision,
        "num_threads": torch.get_num_threads(),
    }


def grid_identity(ranks: Ranks) -> dict[str, int]:
    """What of a grid decides the bytes of a trained model: empty for one stage and one tensor rank.

    The number of replicas decides the last bits as well. It is left out, since a run goes on with fewer or more of them
    when ranks are lost or come back, and must find its artifact again.
    """
    degrees = {"pipeline": ranks.degrees.pipeline_degree, "tensor": ranks.degrees.tensor_degree}
    return degrees if max(degrees.values()) > 1 else {}

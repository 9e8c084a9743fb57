"""From the recipe's `[runtime]` to the device in use."""

from __future__ import annotations

from dataclasses import replace

from domainlm.parallel.device import Device, choose_device
from domainlm.parallel.world import current_world
from domainlm.recipe.schema import RuntimeSettings


def open_device(settings: RuntimeSettings) -> Device:
    """Choose the device, set the number of threads and check that the precision is available.

    A rank has a device of its own, and the threads that it was started with.

    Raises:
        MachineError: the device or the precision asked for is not to be had.
    """
    world = current_world()
    if not world.is_joined:
        return choose_device(settings.device, settings.precision, settings.num_threads)
    device = choose_device("cuda" if world.device.type == "cuda" else "cpu", settings.precision)
    return replace(device, torch_device=world.device)

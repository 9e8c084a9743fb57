"""From the recipe's `[runtime]` to the device in use."""

from __future__ import annotations

from domainlm.parallel.device import Device, choose_device
from domainlm.recipe.schema import RuntimeSettings


def open_device(settings: RuntimeSettings) -> Device:
    """Choose the device, set the number of threads and check that the precision is available.

    Raises:
        MachineError: the device or the precision asked for is not to be had.
    """
    return choose_device(settings.device, settings.precision, settings.num_threads)

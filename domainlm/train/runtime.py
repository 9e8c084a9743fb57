"""From the recipe's `[runtime]` to the device in use."""

from __future__ import annotations

from domainlm.parallel.device import Device, choose_device
from domainlm.recipe.pending import precision_in_use
from domainlm.recipe.schema import RuntimeSettings


def open_device(settings: RuntimeSettings) -> Device:
    """Choose the device, set the number of threads and check that the precision is available.

    Raises:
        MachineError: the device or the precision asked for is not to be had.
        RecipeError: training does not follow this precision yet.
    """
    return choose_device(settings.device, precision_in_use(settings), settings.num_threads)

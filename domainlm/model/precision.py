"""What autocast is about to compute in: for code that casts once what several products read."""

from __future__ import annotations

import torch


def lowered(values: torch.Tensor) -> torch.Tensor:
    """The values in the dtype that matrix products on this device compute in now; themselves without autocast."""
    device = values.device.type
    if not torch.is_autocast_enabled(device):
        return values
    return values.to(torch.get_autocast_dtype(device))

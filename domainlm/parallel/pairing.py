"""Does the installed fairscale work beside the installed torch? fairscale is no longer developed, torch is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

PARTS = {
    "tensor parallelism": "fairscale.nn.model_parallel.layers",
    "loss over a split vocabulary": "fairscale.nn.model_parallel.cross_entropy",
    "pipeline": "fairscale.nn.pipe.async_pipe",
    "split optimizer state": "fairscale.optim.oss",
    "activation checkpointing": "fairscale.nn.checkpoint",
}
"""The parts of fairscale that parallel training stands on, each with its module."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """What was found.

    Attributes:
        torch: its version.
        fairscale: its version; None where it is not installed.
        broken: the parts that cannot be imported, with the cause.
    """

    torch: str
    fairscale: str | None
    broken: Mapping[str, str]


def check_pairing() -> Pairing:
    """Import every part of fairscale that is used, beside this torch."""
    torch_version = version("torch")
    if find_spec("fairscale") is None:
        return Pairing(torch_version, None, {})
    broken: dict[str, str] = {}
    for part, module in PARTS.items():
        try:
            import fairscale  # noqa: F401 - an imported part says nothing of a package that fails as a whole

            import_module(module)
        except Exception as error:  # noqa: BLE001 - whatever an import may raise
            broken[part] = f"{type(error).__name__}: {error}"
    return Pairing(torch_version, version("fairscale"), broken)

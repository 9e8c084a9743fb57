"""Layers by torch.compile while they train: on a GPU fewer kernels to start, and fewer passes through its memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from domainlm.model.triton_kernels import kernels_digest
from domainlm.model.visible import Visible
from domainlm.parallel.device import Device
from domainlm.parallel.heartbeat import slow_work

_NUM_PROBED = 8
_NUM_VARIANTS = 64
"""Of the code of a layer, for all shapes of models and batches that a process trains; torch's 8 are soon used up."""


class CompiledLayers:
    """Compiled within `in_use`, and plain elsewhere: where they are scored, traced or saved.

    Layers of one shape share what was compiled. Every size of rows is compiled by itself, so that what is computed does
    not depend on what came before; but how many samples there are is left open. A GPU's random numbers differ from
    those of plain layers.

    Args:
        layers: none of them divided over tensor ranks, whose sums torch.compile cannot see through, and not the last of
            an encoder, for what it does with `read` has no gradient when torch 2.11 compiles it.
        device: where they train; nothing is compiled where it says so.
    """

    def __init__(self, layers: Iterable[nn.Module], device: Device) -> None:
        self._forwards: list[tuple[nn.Module, Callable[..., torch.Tensor]]] = []
        self._seen: set[tuple[object, ...]] = set()
        self._step = ExitStack()
        if device.compiles:
            torch._dynamo.config.recompile_limit = _NUM_VARIANTS  # noqa: SLF001 - torch has no other name for it
            _tag_files()
            options = _options(device)
            self._forwards = [
                (layer, self._marked(layer, torch.compile(layer.forward, dynamic=False, options=options)))
                for layer in layers
            ]

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Within the context the layers are called as compiled; the first time may take a minute."""
        for layer, forward in self._forwards:
            layer.forward = forward
        try:
            with ExitStack() as self._step:
                yield
        finally:
            for layer, _ in self._forwards:
                del layer.forward

    def _marked(self, layer: nn.Module, forward: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        """The compiled layer, after noting that the number of samples is to be left open, and what will take long."""

        def call(states: torch.Tensor, visible: Visible, read: torch.Tensor | None = None) -> torch.Tensor:
            self._expect_work(layer, states)
            if visible.bounds is not None:
                torch._dynamo.maybe_mark_dynamic(visible.bounds, 0)  # noqa: SLF001 - torch documents it by this name
            # Blocks differ in every batch, and the layer would be compiled anew for each.
            return forward(states, visible._replace(blocks=()), read)

        return call

    def _expect_work(self, layer: nn.Module, states: torch.Tensor) -> None:
        """Where torch compiles anew, in mid-run too, the rest of the step, its backward pass as well, may take long."""
        kind = (states.shape, states.requires_grad, *(each.requires_grad for each in layer.parameters()))
        if kind not in self._seen:
            self._seen.add(kind)
            self._step.enter_context(slow_work())


def _options(device: Device) -> dict[str, Any] | None:
    """Where a GPU is to give the same bytes each time, kernels must not be chosen by how fast they were just now."""
    from torch._inductor import config

    is_known = hasattr(config, "deterministic")  # torch 2.13 has it
    return {"deterministic": True} if is_known and device.is_deterministic and _is_gpu(device) else None


def _tag_files() -> None:
    """Have torch compile anew where kernels of ours changed: it keeps layers on disk, by keys without them."""
    from torch.compiler import config

    tag = f" domainlm:{kernels_digest()}"
    if tag not in config.cache_key_tag:
        config.cache_key_tag += tag


def _is_gpu(device: Device) -> bool:
    return device.torch_device.type == "cuda"


@lru_cache(maxsize=2)
def compile_problem(device_type: str) -> str | None:
    """Why torch.compile cannot make kernels for a kind of device; None where it can, which is tried.

    Args:
        device_type: "cpu" or "cuda".
    """
    try:
        torch.compile(_probed)(torch.ones(_NUM_PROBED, device=device_type))
    except Exception as error:  # noqa: BLE001 - a compiler, Triton or a folder for its files may be missing
        return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return None


def _probed(values: torch.Tensor) -> torch.Tensor:
    return values * 2.0 + 1.0

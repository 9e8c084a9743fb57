"""Weights and gradients in narrow formats: fp32 masters of bf16 weights, and the scaled loss of fp16."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from domainlm.parallel.data import call_after_gradient
from domainlm.parallel.parameters import replace_parameter


class MasterWeights:
    """fp32 copies that the optimizer updates while the model computes with bf16 weights (Micikevicius et al. 2018).

    Gradients are added up in the masters, in fp32. Without bf16 weights each parameter is its own master.

    Args:
        module: its parameters, in fp32, become the masters where `dtype` is another.
        dtype: of the weights that the model computes with.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        self.by_name: dict[str, nn.Parameter] = {}
        self.parameters: list[nn.Parameter] = []
        self._pairs: list[tuple[nn.Parameter, nn.Parameter]] = []
        for name, master in list(module.named_parameters()):
            used = master
            if dtype != torch.float32:
                used = nn.Parameter(master.detach().to(dtype), requires_grad=master.requires_grad)
                replace_parameter(module, name, used)
                self._pairs.append((used, master))
                if used.requires_grad:
                    call_after_gradient(used, partial(_move_gradient, used, master))
            self.by_name[name] = master
            self.parameters.append(used)

    def publish(self) -> None:
        """Give the masters' numbers to the model."""
        if self._pairs:
            used, masters = zip(*self._pairs, strict=True)
            with torch.no_grad():
                torch._foreach_copy_(used, masters)  # one kernel for many


def _move_gradient(used: nn.Parameter, master: nn.Parameter, _: torch.Tensor) -> None:
    assert used.grad is not None
    if master.grad is None:
        master.grad = used.grad.float()
    else:
        master.grad.add_(used.grad)
    used.grad = None


@dataclass(slots=True)
class LossScale:
    """The factor of the loss in fp16, so that small gradients are no zeros (Micikevicius et al. 2018).

    It is halved when a gradient overflows, and doubled after so many steps without. All ranks see the norm of the whole
    gradient, so all decide alike.

    Attributes:
        value: the factor; a power of two.
        num_good: steps without overflow since the factor last changed.
    """

    value: float = 2.0**16
    num_good: int = 0
    num_steps_to_double: int = 1_000

    def judge(self, norm: float) -> bool:
        """Whether a gradient of this norm can be used; adapts the factor. What overflows without one is no overflow."""
        if not math.isfinite(norm):
            was_scaled = self.value > 1.0
            self.value, self.num_good = max(1.0, self.value / 2), 0
            return not was_scaled
        self.num_good += 1
        if self.num_good >= self.num_steps_to_double:
            self.value, self.num_good = self.value * 2, 0
        return True

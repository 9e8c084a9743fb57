"""torch's AdamW, without the import of torch's compiler, which takes longer than that of torch itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch


def _unwrapped(method: Callable[..., Any]) -> Callable[..., Any]:
    """What torch wrapped lest its compiler trace it: the wrapper imports that compiler when it is first called."""
    plain: Callable[..., Any] = inspect.unwrap(method)
    return plain


class AdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019), the same to the bit; no compiled code may call its methods."""

    add_param_group = _unwrapped(torch.optim.Optimizer.add_param_group)
    zero_grad = _unwrapped(torch.optim.Optimizer.zero_grad)
    step = torch.no_grad()(_unwrapped(torch.optim.AdamW.step))

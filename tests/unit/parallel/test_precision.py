"""The loss scale of fp16, and fp32 masters of bf16 weights."""

from __future__ import annotations

import math

import torch
from torch import nn

from domainlm.parallel.precision import LossScale, MasterWeights


def test_the_scale_is_halved_by_an_overflow_and_doubled_after_so_many_good_steps() -> None:
    scale = LossScale(value=4.0, num_steps_to_double=2)
    judged = [scale.judge(norm) for norm in (math.inf, 1.0, 1.0, math.nan, 1.0)]
    assert judged == [False, True, True, False, True]
    assert (scale.value, scale.num_good) == (2.0, 1)  # 4, 2, 2, 4, 2, 2


def test_what_is_not_finite_without_a_scale_is_no_overflow() -> None:
    scale = LossScale(value=2.0)
    assert [scale.judge(math.nan) for _ in range(2)] == [False, True]
    assert scale.value == 1.0


def test_gradients_of_bf16_weights_add_up_in_fp32() -> None:
    """256 + 1 is no bf16 number: it would be rounded back to 256."""
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 1.0)
    masters = MasterWeights(module, torch.bfloat16)
    for value in (256.0, 1.0):
        module(torch.tensor([[value]], dtype=torch.bfloat16)).sum().backward()
    master = masters.by_name["weight"]
    assert module.weight.dtype == torch.bfloat16
    assert module.weight.grad is None
    assert master.grad is not None
    assert float(master.grad) == 257.0
    with torch.no_grad():
        master.add_(2.0**-10)
    masters.publish()
    assert float(module.weight.detach()) == 1.0  # the master keeps what bf16 cannot
    assert float(master.detach()) == 1.0 + 2.0**-10

"""The operator of flash attention, as far as a CPU can tell: that torch may differentiate and compile it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from domainlm.model import flash
from domainlm.model.flash import flash_attention


def _inputs(lengths: list[int], width: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    packed = torch.randn(sum(lengths), 2, 3, width, generator=generator).requires_grad_()  # as a layer has them
    return list(packed.unbind(2)), torch.tensor([0, *lengths]).cumsum(0).int()


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.sampled_from([4, 8, 12]))
def test_each_sample_attends_to_itself(lengths: list[int], width: int) -> None:
    inputs, bounds = _inputs(lengths, width)
    found = flash_attention(inputs[0], inputs[1], inputs[2], bounds, max(lengths), 0.0)
    parts = zip(*(each.split(lengths) for each in inputs), strict=True)
    expected = torch.cat(
        [
            torch.nn.functional.scaled_dot_product_attention(*(each.transpose(0, 1) for each in part)).transpose(0, 1)
            for part in parts
        ]
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    weights = torch.arange(found.numel()).view_as(found).float()
    gradients = torch.autograd.grad((found * weights).sum(), inputs, retain_graph=True)
    others = torch.autograd.grad((expected * weights).sum(), inputs)
    for own, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-3)


def test_torch_may_compile_it() -> None:
    """Its shapes without numbers, its derivative and its aliases are as torch wants them (`torch.library.opcheck`)."""
    inputs, bounds = _inputs([3, 2], 8)
    torch.library.opcheck(flash._attended, (*(each.detach().requires_grad_() for each in inputs), bounds, 3, 0.0, 0.5))


def test_a_cpu_has_no_dropout() -> None:
    inputs, bounds = _inputs([3], 8)
    with pytest.raises(ValueError, match="no dropout"):
        flash_attention(inputs[0], inputs[1], inputs[2], bounds, 3, 0.1)

"""Layers whose activations are computed again, against those that keep them."""

from __future__ import annotations

import pytest
import torch

from domainlm.api import Architecture
from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Layer
from domainlm.model.visible import Visible
from domainlm.parallel.device import Device
from domainlm.parallel.recompute import recomputed
from domainlm.plan.work import Precision


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("architecture", ["bert", "megatron"])
def test_dropout_is_that_of_the_pass_that_was_kept(architecture: Architecture, precision: Precision) -> None:
    """The first pass knows of no gradients, the second one does: both must draw the same, in attention too."""
    sizes = {"layers": 1, "hidden": 32, "heads": 4, "feed_forward": 64, "max_positions": 16}
    rows = {"vocabulary_size": 8, "padded_vocabulary_size": 8}
    config = ModelConfig(**sizes, **rows, architecture=architecture, dropout=0.3)  # type: ignore[arg-type]
    device = Device(torch_device=torch.device("cpu"), precision=precision)
    torch.manual_seed(1)
    layer = Layer(config).train()
    states, weights = torch.randn(2, 16, 32), torch.randn(2, 16, 32)

    def outcome(*, again: bool) -> list[torch.Tensor]:
        """The output and all gradients."""
        inputs = states.clone().requires_grad_()
        layer.zero_grad()
        torch.manual_seed(2)
        with device.autocast():
            result = (recomputed(layer, device) if again else layer)(inputs, Visible())
        (result.float() * weights).sum().backward()
        gradients = [parameter.grad for parameter in (inputs, *layer.parameters())]
        return [result.detach(), *(gradient for gradient in gradients if gradient is not None)]

    kept, computed = outcome(again=False), outcome(again=True)
    assert len(kept) == len(computed) > 10
    for one, other in zip(kept, computed, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)

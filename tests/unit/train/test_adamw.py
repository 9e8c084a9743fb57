"""AdamW: the bits of torch's own, and none of the modules of torch's compiler."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from domainlm.train.adamw import AdamW

_STEPS = """
import sys
import torch
from domainlm.model.config import ModelConfig
from domainlm.model.pretraining import PretrainingModel
from domainlm.train.adamw import AdamW

config = ModelConfig(
    layers=1, hidden=8, heads=2, feed_forward=16, max_positions=8, architecture="bert", dropout=0.1,
    vocabulary_size=16, padded_vocabulary_size=16,
)
with torch.device("meta"):
    PretrainingModel(config, sentence_order=True)
model = torch.nn.Linear(2, 2)
optimizer = AdamW(model.parameters(), fused=True)
optimizer.zero_grad(set_to_none=True)
model(torch.ones(1, 2)).sum().backward()
optimizer.step()
print(*(name for name in ("torch._dynamo", "sympy") if name in sys.modules))
"""


def _trained(kind: type[torch.optim.AdamW]) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 3))
    groups = [{"params": [model[0].weight], "weight_decay": 0.1}, {"params": [model[2].weight, model[2].bias]}]
    optimizer = kind(groups, lr=0.02, betas=(0.9, 0.98), fused=True)
    for _ in range(5):
        optimizer.zero_grad(set_to_none=True)
        model(torch.randn(6, 4)).square().mean().backward()
        optimizer.step()
    moments = {
        f"{index}.{key}": value
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }
    return {**model.state_dict(), **moments}


def test_it_computes_what_torch_does() -> None:
    ours, theirs = _trained(AdamW), _trained(torch.optim.AdamW)

    assert ours.keys() == theirs.keys()
    assert len(ours) == 4 + 3 * 3
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_it_needs_no_gradient_of_its_own() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = AdamW([weight], lr=0.1, fused=True)
    weight.grad = torch.ones(3)

    optimizer.step()

    assert weight.requires_grad
    assert weight.is_leaf
    assert not torch.equal(weight, torch.ones(3))


def test_neither_building_a_model_nor_training_imports_the_compiler() -> None:
    ended = subprocess.run([sys.executable, "-c", _STEPS], capture_output=True, text=True, check=False, timeout=60)

    assert (ended.returncode, ended.stdout.split()) == (0, []), ended.stderr

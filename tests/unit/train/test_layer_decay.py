"""Layer-wise decay of the learning rate."""

from __future__ import annotations

import pytest
from torch import nn

from domainlm.recipe.optimizer_settings import OptimizerSettings
from domainlm.train.layer_decay import parameter_depths, split_groups
from domainlm.train.optimizer import build_optimizer

SETTINGS = OptimizerSettings(learning_rate=0.1, weight_decay=0.5)


class Named(nn.Module):
    """The names of an encoder with a head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.embeddings = nn.Linear(2, 2)
        self.encoder.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
        self.encoder.norm = nn.LayerNorm(2)
        self.head = nn.Linear(2, 2)


def test_depths() -> None:
    # The rule of Clark et al. 2020: rate * decay ** (layers above), the embeddings below the lowest layer.
    assert parameter_depths(name for name, _ in Named().named_parameters()) == {
        f"{module}.{kind}": depth
        for module, depth in [
            ("encoder.embeddings", 4), ("encoder.layers.0", 3), ("encoder.layers.1", 2), ("encoder.layers.2", 1),
            ("encoder.norm", 0), ("head", 0),
        ]
        for kind in ("weight", "bias")
    }  # fmt: skip


def test_lower_layers_learn_more_slowly() -> None:
    model = Named()
    model.encoder.norm.requires_grad_(False)  # type: ignore[union-attr]
    optimizer = build_optimizer(model, SETTINGS.model_copy(update={"layer_decay": 0.5}))
    groups = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    names = {name: groups.get(id(parameter)) for name, parameter in model.named_parameters()}
    scales = {name: group["rate_scale"] for name, group in names.items() if group is not None}
    assert len(scales) == 10
    assert scales["encoder.embeddings.weight"] == 0.5**4
    assert scales["encoder.layers.2.bias"] == 0.5
    assert scales["head.weight"] == 1.0
    decays = {name: group["weight_decay"] for name, group in names.items() if group is not None}
    assert {decay for name, decay in decays.items() if name.endswith("weight")} == {0.5}
    assert {decay for name, decay in decays.items() if name.endswith("bias")} == {0.0}


def test_without_decay_groups_stay_as_they_are() -> None:
    groups = [{"params": list(Named().parameters()), "weight_decay": 0.1}]
    assert split_groups(groups, {}, 1.0) == groups


@pytest.mark.parametrize("decay", [0.3, 0.9])
def test_every_parameter_is_in_one_group(decay: float) -> None:
    model = Named()
    groups = split_groups([{"params": list(model.parameters())}], dict(model.named_parameters()), decay)
    found = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(found) == sorted(map(id, model.parameters()))
    assert len(groups) == 5

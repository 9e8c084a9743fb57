"""What of a start is kept, frozen and drawn anew."""

from __future__ import annotations

import pytest
import torch

from domainlm.errors import ModelError
from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.model.initialise import initialise
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.adaptation import adapt_encoder


def _encoder() -> Encoder:
    config = ModelConfig(
        layers=3,
        hidden=16,
        heads=2,
        feed_forward=64,
        max_positions=8,
        architecture="bert",
        dropout=0.0,
        vocabulary_size=40,
        padded_vocabulary_size=40,
    )
    encoder = Encoder(config)
    initialise(encoder, 0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.5)
    return encoder


def test_nothing_changes_unasked() -> None:
    encoder, before = _encoder(), _encoder().state_dict()
    adapt_encoder(encoder, FinetuningSettings(), seed=1)
    assert all(torch.equal(weight, before[name]) for name, weight in encoder.state_dict().items())
    assert all(parameter.requires_grad for parameter in encoder.parameters())


def test_top_layers_are_drawn_anew_each_by_itself() -> None:
    encoder, before = _encoder(), _encoder().state_dict()
    adapt_encoder(encoder, FinetuningSettings(num_reset_layers=2), seed=1)
    after = encoder.state_dict()
    changed = {name.split(".")[1] for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"1", "2"}
    inner = "feed_forward.inner.weight"
    assert not torch.equal(after[f"layers.1.{inner}"], after[f"layers.2.{inner}"])
    assert after[f"layers.2.{inner}"].std().item() == pytest.approx(0.02, rel=0.2)
    assert torch.equal(after["layers.2.attention_norm.weight"], torch.ones(16))


def test_low_layers_and_embeddings_are_frozen() -> None:
    encoder = _encoder()
    adapt_encoder(encoder, FinetuningSettings(num_frozen_layers=1, freezes_embeddings=True), seed=1)
    frozen = {name for name, parameter in encoder.named_parameters() if not parameter.requires_grad}
    expected = {name for name, _ in encoder.named_parameters() if name.startswith(("embeddings.", "layers.0."))}
    assert frozen == expected


def test_more_layers_than_there_are() -> None:
    with pytest.raises(ModelError, match="too few layers"):
        adapt_encoder(_encoder(), FinetuningSettings(num_frozen_layers=2, num_reset_layers=2), seed=1)

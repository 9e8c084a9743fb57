"""Small models to measure and large ones to work out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from domainlm.api import Architecture
from domainlm.model.config import ModelConfig

Shape = Callable[..., ModelConfig]


@pytest.fixture(scope="session")
def shape() -> Shape:
    """Makes a shape; a vocabulary of 1,000 unless said otherwise."""

    def make(
        layers: int,
        hidden: int,
        heads: int,
        *,
        rows: int = 1024,
        entries: int = 1000,
        architecture: Architecture = "megatron",
        dropout: float = 0.1,
        max_positions: int = 512,
    ) -> ModelConfig:
        return ModelConfig(
            layers=layers,
            hidden=hidden,
            heads=heads,
            feed_forward=4 * hidden,
            max_positions=max_positions,
            architecture=architecture,
            dropout=dropout,
            vocabulary_size=entries,
            padded_vocabulary_size=rows,
        )

    return make

"""Small encoders and their inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from domainlm.model.config import ModelConfig

MakeConfig = Callable[..., ModelConfig]


@pytest.fixture(scope="session")
def make_config() -> MakeConfig:
    """A small shape, with any field replaced."""

    def make(**changes: Any) -> ModelConfig:  # noqa: ANN401 - fields of several types
        shape: dict[str, Any] = {
            "layers": 2,
            "hidden": 32,
            "heads": 4,
            "feed_forward": 48,
            "max_positions": 24,
            "architecture": "megatron",
            "dropout": 0.0,
            "vocabulary_size": 50,
            "padded_vocabulary_size": 64,
        }
        return ModelConfig(**(shape | changes))

    return make


@pytest.fixture
def spread_out() -> Callable[[torch.nn.Module], None]:
    """Gives every weight, biases and normalisations too, a value that shows when it is left out or misplaced."""

    def fill(module: torch.nn.Module) -> None:
        generator = torch.Generator().manual_seed(7)
        with torch.no_grad():
            for weight in module.parameters():
                weight.normal_(0.0, 0.3, generator=generator)

    return fill

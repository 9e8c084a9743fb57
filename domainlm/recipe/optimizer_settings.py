"""The keys of the optimizer and of the learning rate's schedule.

The text below a field is its documentation, as in `domainlm.recipe.schema`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from domainlm.recipe.base import Settings, Share


class OptimizerSettings(Settings):
    """AdamW (Loshchilov and Hutter 2019), without weight decay on biases and normalisations."""

    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4
    """Peak learning rate."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    """Decoupled weight decay."""
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    """Decay of the first moment."""
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    """Decay of the second moment."""
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-8
    """Added to the denominator."""
    max_gradient_norm: Annotated[float, Field(ge=0.0)] = 1.0
    """Gradients are scaled down to this global norm; 0 leaves them as they are."""
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """The learning rate of each layer is this share of the layer's above it, with the embeddings lowest (Clark et al.
    2020)."""


class FinetuningOptimizerSettings(OptimizerSettings):
    """AdamW for fine-tuning (Shin et al. 2020, section 4)."""

    learning_rate: Annotated[float, Field(gt=0.0)] = 5e-5
    """Peak learning rate."""


class ScheduleSettings(Settings):
    """Learning rate over the steps of a phase."""

    warmup_share: Share = 0.1
    """Share of the steps during which the rate rises linearly from zero to its peak."""
    decay: Literal["linear", "cosine", "constant"] = "linear"
    """How it falls afterwards."""
    final_share: Share = 0.0
    """Learning rate at the last step, as a share of the peak."""

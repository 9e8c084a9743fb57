"""Checks of model sizes."""

from __future__ import annotations

from domainlm.api import ModelSizeSpec

_VOCABULARY_SIZE = 1_000
_VOCABULARY_MULTIPLE = 64


def check_model_size(spec: ModelSizeSpec) -> int:
    """Check that an encoder of this size can be described, with a small vocabulary.

    Returns:
        Its number of parameters with 1,000 entries in the vocabulary.

    Raises:
        UserError: the model cannot be built from these numbers.
    """
    from domainlm.model.config import ModelConfig

    config = ModelConfig.from_spec(spec, vocabulary_size=_VOCABULARY_SIZE, vocabulary_multiple=_VOCABULARY_MULTIPLE)
    return config.num_parameters

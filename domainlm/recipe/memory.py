"""Will the model train in the memory at hand? An estimate made before anything runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

from domainlm.api import ModelSizeSpec
from domainlm.api import VocabularySettings as LearnSettings
from domainlm.errors import MachineError
from domainlm.model.config import ModelConfig
from domainlm.recipe.schema import FinetuningSettings, PretrainingSettings, Recipe
from domainlm.text.files import open_text

_BYTES_PER_PARAMETER = 16
"""fp32 weight, gradient and the two moments of Adam."""
_HIDDEN_STATES_KEPT_PER_LAYER = 16
"""Values of width `hidden` that one layer keeps for its backward pass, per token (projections, residuals, MLP)."""
_SCORES_KEPT_PER_LAYER = 3
"""Attention matrices kept per head: scores, probabilities, dropout."""
_GIB = 2**30


def check_memory(
    recipe: Recipe, size: ModelSizeSpec, learn: LearnSettings | None, file: Path | None, where: str
) -> None:
    """Raise `MachineError` where training would need more than this machine's memory.

    GPUs are not asked: their memory shows when the model is built.
    """
    if recipe.runtime.device == "cuda":
        return
    at_hand = total_memory()
    vocabulary_size = learn.size if learn is not None else count_entries(file)
    config = ModelConfig.from_spec(
        size,
        vocabulary_size=vocabulary_size,
        vocabulary_multiple=recipe.model.vocabulary_multiple,
        architecture=recipe.model.architecture,
        dropout=recipe.model.dropout,
    )
    needed = training_memory(config, recipe.pretraining)
    if at_hand is not None and needed > at_hand:
        raise MachineError(
            f"training this model needs about {needed / _GIB:.1f} GiB, and this machine has {at_hand / _GIB:.1f} GiB",
            where=where,
            given=size.name,
            remedy="choose a smaller model.size, or lower num_sequences_per_micro_batch or max_tokens",
        )


def training_memory(config: ModelConfig, phase: PretrainingSettings | FinetuningSettings) -> int:
    """Estimated bytes for weights, gradients, Adam's moments and the activations of one micro-batch in fp32."""
    num_tokens = phase.num_sequences_per_micro_batch * phase.max_tokens
    per_token = config.layers * (
        _HIDDEN_STATES_KEPT_PER_LAYER * config.hidden + _SCORES_KEPT_PER_LAYER * config.heads * phase.max_tokens
    )
    activations = 4 * num_tokens * per_token
    if isinstance(phase, PretrainingSettings):
        num_masked = int(num_tokens * phase.masking.rate)
        activations += 2 * 4 * num_masked * config.padded_vocabulary_size
    return _BYTES_PER_PARAMETER * config.num_parameters + activations


def total_memory() -> int | None:
    """Bytes of memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def count_entries(file: Path | None) -> int:
    """Entries of a vocabulary file: lines of a vocab.txt, pieces of a tokenizer.json."""
    if file is None:
        return 0
    if file.suffix == ".json":
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            return len(content["model"]["vocab"])
        except (ValueError, KeyError, TypeError):
            return 0  # reading the vocabulary will say what is wrong with it
    return sum(1 for _ in open_text(file))

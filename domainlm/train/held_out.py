"""Losses on held-out text while a language model is trained: what is gained, and what is forgotten, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.device import Device
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.train.corpora import corpus_batches
from domainlm.train.milestones import Milestone
from domainlm.train.pretraining import score_sequences
from domainlm.vocab.vocabulary import Vocabulary

SCORE_SEED = 20_200_916
"""Of the masks that language models are scored with: the same for every model, whatever it was trained with."""
NUM_SLOTS_TO_SCORE = 8_192


class HeldOutLosses:
    """A milestone that scores a language model every so many steps; remembers nothing, and changes nothing.

    Args:
        model: in training, whole in this process.
        texts: prefixes of indexed datasets, by the name that the losses get in metrics.jsonl.
        settings: length of a row, masks, and how often.
        vocabulary: what encoded the texts.
        device: where to compute.
    """

    name = "held_out"
    stops = False

    def __init__(
        self,
        model: PretrainingModel,
        texts: Mapping[str, Path],
        settings: PretrainingSettings,
        vocabulary: Vocabulary,
        device: Device,
    ) -> None:
        assert settings.num_steps_per_score is not None
        self._model, self._settings, self._device = model, settings, device
        self._every = settings.num_steps_per_score
        self._batches = {name: corpus_batches(settings, path, vocabulary, SCORE_SEED) for name, path in texts.items()}

    def due(self, step: int) -> bool:
        """Every so many steps."""
        return step % self._every == 0

    def run(self, step: int) -> Mapping[str, float]:  # noqa: ARG002 - the step has no say in it
        """Nats per masked sub-token of each text."""
        num_rows = max(1, NUM_SLOTS_TO_SCORE // self._settings.max_tokens)
        second = self._settings.second_objective
        return {
            name: score_sequences(self._model, batches, self._device, num_rows, second)["masked_lm_loss"]
            for name, batches in self._batches.items()
        }

    def state(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def files(self) -> Mapping[str, Path]:
        """None."""
        return {}

    def restore(self, state: Mapping[str, Any], files: Mapping[str, Path]) -> None:
        """Nothing to go back to."""


def held_out_losses(
    model: nn.Module,
    texts: Mapping[str, Path],
    settings: PretrainingSettings,
    vocabulary: Vocabulary,
    device: Device,
) -> list[Milestone]:
    """The milestone, where the settings ask for it and there are texts."""
    if not texts or settings.num_steps_per_score is None:
        return []
    assert isinstance(model, PretrainingModel)
    return [HeldOutLosses(model, texts, settings, vocabulary, device)]

"""What of a start's encoder fine-tuning keeps: frozen embeddings and low layers, top layers drawn anew."""

from __future__ import annotations

import copy

from torch import nn

from domainlm.errors import ModelError
from domainlm.model.encoder import Encoder
from domainlm.model.initialise import initialise
from domainlm.model.origin import note_origin, origin_of
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.train.freezing import freeze


def adapt_encoder(encoder: Encoder, settings: FinetuningSettings, seed: int) -> None:
    """Draw the top layers anew and freeze what is not to be trained, in place.

    Args:
        encoder: with the start's weights.
        settings: how many layers of each.
        seed: of the new weights.

    Raises:
        ModelError: the encoder has fewer layers than the settings name.
    """
    num_layers, num_new, num_frozen = len(encoder.layers), settings.num_reset_layers, settings.num_frozen_layers
    if num_new + num_frozen > num_layers:
        raise ModelError(
            "the model has too few layers for these settings",
            where="finetuning",
            given=f"num_reset_layers = {num_new} and num_frozen_layers = {num_frozen}",
            allowed=f"at most {num_layers} together",
        )
    if num_new:
        fresh = copy.deepcopy(encoder)
        initialise(fresh, seed)
        for layer, new in list(zip(encoder.layers, fresh.layers, strict=True))[-num_new:]:
            _take(layer, new)
    freeze(encoder, num_layers=num_frozen, embeddings=settings.freezes_embeddings)


def _take(layer: nn.Module, new: nn.Module) -> None:
    """The numbers of a layer of the same shape; without memory (meta), where they come from."""
    for parameter, source in zip(layer.parameters(), new.parameters(), strict=True):
        if parameter.is_meta:
            note_origin(parameter, origin_of(source))
        else:
            parameter.data.copy_(source.data)

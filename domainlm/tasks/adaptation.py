"""What of a start's encoder fine-tuning keeps: frozen embeddings and low layers, top layers drawn anew."""

from __future__ import annotations

import copy

from domainlm.errors import ModelError
from domainlm.model.encoder import Encoder
from domainlm.model.initialise import initialise
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
            layer.load_state_dict(new.state_dict())
    freeze(encoder, num_layers=num_frozen, embeddings=settings.freezes_embeddings)

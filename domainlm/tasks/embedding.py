"""Vectors of texts, from the states of an encoder's last layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from domainlm.api import TokenExample
from domainlm.model.encoder import EncoderInputs
from domainlm.parallel.device import Device
from domainlm.tasks.prediction_batches import prediction_batches
from domainlm.tasks.token.batches import collate
from domainlm.tasks.token.features import (
    NUM_SPECIAL_TOKENS,
    Features,
    WindowSettings,
    build_features,
    encode_examples,
)
from domainlm.tasks.token.windows import cut_windows
from domainlm.text.surrogates import without_surrogates
from domainlm.text.words import split_words
from domainlm.vocab.vocabulary import Vocabulary

_NUM_OVERLAP_WORDS = 16


@torch.inference_mode()
def embed_texts(
    encoder: nn.Module,
    vocabulary: Vocabulary,
    texts: Sequence[str],
    device: Device,
    *,
    max_tokens: int,
    pooling: Literal["mean", "cls"],
) -> npt.NDArray[np.float32]:
    """Vectors of texts [num_texts, hidden]; zeros for one without words. `LoadedModel.embed` says how.

    Args:
        encoder: in evaluation mode, on the device.
        vocabulary: that of the encoder.
        texts: any.
        device: where to compute.
        max_tokens: longest row; longer texts are read in windows.
        pooling: what of the states is averaged.
    """
    sound = [without_surrogates(text) for text in texts]
    examples = [TokenExample("", text, split_words(text)) for text in sound]
    features, text_of_row = _rows(examples, vocabulary, max_tokens)
    sums: torch.Tensor | None = None
    counts = torch.zeros(len(texts), device=device.torch_device)
    with device.predicting(encoder):
        for rows, batch in prediction_batches(partial(collate, features), features.row_lengths, device.torch_device):
            places = EncoderInputs(batch.tokens, batch.token_types, batch.lengths, batch.positions, firsts=batch.firsts)
            states = encoder(*places).float()
            num_slots = np.ones_like(rows) if pooling == "cls" else np.diff(features.slot_starts)[rows]
            slots = batch.first_slots if pooling == "cls" else batch.slots
            texts_of_slots = torch.from_numpy(np.repeat(text_of_row[rows], num_slots)).to(states.device)
            if sums is None:
                sums = torch.zeros(len(texts), states.shape[-1], device=states.device)
            sums.index_add_(0, texts_of_slots, states.flatten(0, 1).index_select(0, slots))
            counts.index_add_(0, texts_of_slots, torch.ones(len(slots), device=states.device))
    if sums is None:
        sums = torch.zeros(len(texts), _width(encoder), device=device.torch_device)
    vectors: npt.NDArray[np.float32] = (sums / counts.clamp_min(1.0)[:, None]).cpu().numpy()
    return vectors


def _rows(
    examples: Sequence[TokenExample], vocabulary: Vocabulary, max_tokens: int
) -> tuple[Features, npt.NDArray[np.int64]]:
    """Rows of all texts, and the text that each is of."""
    windows = WindowSettings(max_tokens, _NUM_OVERLAP_WORDS)
    encoded = encode_examples(examples, vocabulary)
    features = build_features(encoded, vocabulary, windows, labelling="every_sub_token")
    room = max_tokens - NUM_SPECIAL_TOKENS
    num_rows = [len(cut_windows([len(word) for word in words], room, _NUM_OVERLAP_WORDS)) for words in encoded]
    return features, np.repeat(np.arange(len(examples), dtype=np.int64), num_rows)


def _width(encoder: nn.Module) -> int:
    return next(encoder.parameters()).shape[-1]

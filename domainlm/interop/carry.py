"""Carries a model over to another vocabulary: new rows of the word embedding, new biases of the decoder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from domainlm.interop.foreign import write_folder
from domainlm.model.config import ModelConfig
from domainlm.model.files import read_config, read_tensors
from domainlm.vocab.composition import compose, shared_entries
from domainlm.vocab.similarity import similarity_mixtures
from domainlm.vocab.vocabulary import Vocabulary

_WORDS = "encoder.embeddings.word.weight"
_BIAS = "masked_lm.bias"


def carry_vocabulary(
    folder: Path,
    new: Vocabulary,
    out: Path,
    *,
    start: Literal["mean", "random", "similarity"],
    copies_shared: bool = True,
    seed: int = 0,
    vocabulary_multiple: int = 1,
    sentences: Iterable[str] = (),
    max_sub_tokens: int = 2_000_000,
) -> tuple[ModelConfig, dict[str, Any]]:
    """Write the model of a folder with another vocabulary; every other weight stays as it is.

    Args:
        folder: a model folder of a language model.
        new: the vocabulary.
        out: where to write.
        start: how the vectors of entries begin that the old vocabulary lacks, as `domainlm.vocab.composition.compose`.
        copies_shared: whether entries of both keep theirs.
        seed: of what is random.
        vocabulary_multiple: rows of zeros are added to the word embedding up to the next multiple.
        sentences: text of the domain, for "similarity".
        max_sub_tokens: look at no more of it.

    Returns:
        The shape of the encoder, and how many entries start how, as JSON values.
    """
    found, tensors, old = read_config(folder), read_tensors(folder), Vocabulary.load(folder)
    shared = shared_entries(old, new)
    mixtures = None
    if start == "similarity":
        mixtures = similarity_mixtures(new, shared, sentences, max_sub_tokens)
    composition = compose(old, new, start=start, copies_shared=copies_shared, mixtures=mixtures)
    rows = -(-new.size // vocabulary_multiple) * vocabulary_multiple
    for place, name in enumerate((_WORDS, _BIAS)):
        values = np.ascontiguousarray(tensors[name].float().numpy()[: old.size])
        changed = torch.from_numpy(composition.apply(values, seed + place))
        tensors[name] = torch.cat([changed, changed.new_zeros(rows - new.size, *changed.shape[1:])])
    config = replace(found.model, vocabulary_size=new.size, padded_vocabulary_size=rows)
    write_folder(out, tensors, config, {"kind": found.kind, **found.extra}, new)
    facts = {"start": start, "num_shared": len(shared), "num_old": old.size, "num_new": new.size}
    return config, {**facts, **composition.counts}

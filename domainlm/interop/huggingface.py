"""Hugging Face folders of BERT and MegatronBert, read."""

from __future__ import annotations

from pathlib import Path

from domainlm.interop.foreign import ForeignModel
from domainlm.interop.names import from_huggingface
from domainlm.interop.sources import read_weights
from domainlm.model.huggingface import read_huggingface_config, tokenizer_case
from domainlm.vocab.files import TOKENIZER_FILE
from domainlm.vocab.vocabulary import Vocabulary


def read_huggingface(folder: Path) -> ForeignModel:
    """Read a folder's config.json and its weights.

    Args:
        folder: with config.json and model.safetensors or pytorch_model.bin, whole or in parts with an index.

    Raises:
        ModelError: a file is missing or damaged, or the model is one that cannot be computed here.
    """
    found = read_huggingface_config(folder)
    mapped = from_huggingface(read_weights(folder), found.model)
    return ForeignModel(folder, found.model, mapped.tensors, mapped.origins, tuple(mapped.unexpected), found.notes)


def read_huggingface_vocabulary(folder: Path) -> Vocabulary:
    """The vocabulary of a folder: tokenizer.json, or vocab.txt with what tokenizer_config.json says of its case.

    Raises:
        VocabularyError: there is none, or one that cannot be read.
    """
    cased = None if (folder / TOKENIZER_FILE).is_file() else tokenizer_case(folder)
    return Vocabulary.load(folder, cased=cased)

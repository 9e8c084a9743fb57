"""Hugging Face folders of BERT and MegatronBert, read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from domainlm.interop.foreign import ForeignModel
from domainlm.interop.names import from_huggingface
from domainlm.interop.sources import read_weights
from domainlm.model.config import ModelConfig
from domainlm.model.huggingface import read_huggingface_config, read_json_table, tokenizer_case
from domainlm.vocab.files import TOKENIZER_FILE
from domainlm.vocab.vocabulary import Vocabulary

OWN_CONFIG = "domainlm.json"
"""config.json of the model folder that was exported, kept beside what transformers reads, for the way back."""
HEAD_FILE = "head.safetensors"
"""Holds the head where no class of transformers has such a one."""
POOLER_SCALE = 2.0**-13
"""Of the identity that stands for the pooler which a sequence head lacks; a power of two loses no digit."""


def read_huggingface(folder: Path) -> ForeignModel:
    """Read a folder's config.json and its weights.

    Args:
        folder: with config.json and model.safetensors or pytorch_model.bin, whole or in parts with an index.

    Raises:
        ModelError: a file is missing or damaged, or the model is one that cannot be computed here.
    """
    found = read_huggingface_config(folder)
    own = _own_config(folder, found.model)
    if own is None:
        mapped = from_huggingface(read_weights(folder), found.model)
        return ForeignModel(folder, found.model, mapped.tensors, mapped.origins, tuple(mapped.unexpected), found.notes)
    model, extra = own
    weights = read_weights(folder)
    mapped = from_huggingface(weights, model, str(extra["kind"]))
    tensors, unexpected = dict(mapped.tensors), mapped.unexpected
    if (folder / HEAD_FILE).is_file():
        tensors |= load_file(folder / HEAD_FILE)
    elif extra["kind"] == "sequence":
        tensors["head.output.weight"] = weights["classifier.weight"] * POOLER_SCALE
        tensors["head.output.bias"] = weights["classifier.bias"]
        unexpected = [name for name in unexpected if not name.startswith("classifier.")]
        for part in ("weight", "bias"):
            tensors.pop(f"sentence_order.pooler.{part}", None)
    return ForeignModel(folder, model, tensors, mapped.origins, tuple(unexpected), found.notes, own=extra)


def _own_config(folder: Path, found: ModelConfig) -> tuple[ModelConfig, dict[str, Any]] | None:
    """What this program wrote about the model, unless somebody has given it another shape since."""
    if not (folder / OWN_CONFIG).is_file():
        return None
    content = read_json_table(folder / OWN_CONFIG)
    model = ModelConfig.from_dict(content.get("model", {}))
    if replace(model, vocabulary_size=model.padded_vocabulary_size) != found or "kind" not in content:
        return None
    return model, {key: value for key, value in content.items() if key not in ("format", "model")}


def read_huggingface_vocabulary(folder: Path) -> Vocabulary:
    """The vocabulary of a folder: tokenizer.json, or vocab.txt with what tokenizer_config.json says of its case.

    Raises:
        VocabularyError: there is none, or one that cannot be read.
    """
    cased = None if (folder / TOKENIZER_FILE).is_file() else tokenizer_case(folder)
    return Vocabulary.load(folder, cased=cased)

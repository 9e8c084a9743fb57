"""Hugging Face folders of BERT and MegatronBert, read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from domainlm.interop.foreign import ForeignModel
from domainlm.interop.names import from_huggingface
from domainlm.interop.sources import read_tensor_file, read_weights
from domainlm.interop.task_heads import (
    CLASS_STEMS,
    NUM_SPAN_SCORES,
    TASK_CLASSES,
    check_head,
    check_kept_head,
    check_one_label_each,
    fold_pooler,
    label_names,
    pooled_head,
    read_labels,
    task_kind,
    task_settings,
)
from domainlm.model.config import ModelConfig
from domainlm.model.huggingface import HuggingFaceConfig, read_huggingface_config, read_json_table
from domainlm.model.huggingface_tokenizer import added_tokens, check_tokenizer_settings, tokenizer_case
from domainlm.vocab.added import with_added_tokens, with_readable_tokens
from domainlm.vocab.files import TOKENIZER_FILE
from domainlm.vocab.vocabulary import Vocabulary

OWN_CONFIG = "domainlm.json"
"""config.json of the model folder that was exported, kept beside what transformers reads, for the way back."""
HEAD_FILE = "head.safetensors"
"""Holds the head where no class of transformers has such a one."""


def read_huggingface(folder: Path, *, task_heads: bool = False) -> ForeignModel:
    """Read a folder's config.json and its weights.

    Args:
        folder: with config.json and model.safetensors or pytorch_model.bin, whole or in parts with an index.
        task_heads: make a task model of one with a head of transformers for words, texts or answers; else the head
            is among what is unexpected. What this program exported is read with its head in any case.

    Raises:
        ModelError: a file is missing or damaged, the model is one that cannot be computed here, or its head is.
    """
    found = read_huggingface_config(folder)
    own = _own_config(folder, found)
    weights = read_weights(folder)
    if own is not None:
        return _read_exported(folder, found, weights, *own)
    kind = task_kind(found, weights, folder) if task_heads else None
    if kind is not None:
        return _read_task_model(folder, found, weights, kind)
    mapped = from_huggingface(weights, found.model)
    return ForeignModel(folder, found.model, mapped.tensors, mapped.origins, tuple(mapped.unexpected), found.notes)


def _read_task_model(
    folder: Path, found: HuggingFaceConfig, weights: Mapping[str, torch.Tensor], kind: str
) -> ForeignModel:
    mapped = from_huggingface(weights, found.model, kind)
    labels = [] if kind == "span" else read_labels(found.content, folder)
    if kind == "sequence":
        check_one_label_each(found.content, labels, folder)
    check_head(kind, mapped.tensors, len(labels) or NUM_SPAN_SCORES, found.model.hidden, folder)
    tensors = fold_pooler(mapped.tensors) if kind == "sequence" else mapped.tensors
    own, notes = task_settings(kind, labels, found.model, found.content, folder)
    if kind == "sequence":
        own["head"] = pooled_head(tensors, own["head"]["dropout"])
    return ForeignModel(
        folder, found.model, tensors, mapped.origins, tuple(mapped.unexpected), (*found.notes, *notes), own
    )


def _read_exported(
    folder: Path,
    found: HuggingFaceConfig,
    weights: Mapping[str, torch.Tensor],
    model: ModelConfig,
    extra: dict[str, Any],
) -> ForeignModel:
    kind = str(extra["kind"])
    mapped = from_huggingface(weights, model, kind)
    tensors, origins = dict(mapped.tensors), dict(mapped.origins)
    if (folder / HEAD_FILE).is_file():
        head = read_tensor_file(folder / HEAD_FILE)
        check_kept_head(head, extra, model.hidden, folder / HEAD_FILE)
        tensors |= head
        origins |= {name: (name,) for name in head}
    elif kind in TASK_CLASSES:
        check_head(kind, tensors, len(tensors.get("head.output.bias", ())), model.hidden, folder)
    if kind == "sequence" and "head.dense.weight" in mapped.tensors:
        tensors = fold_pooler(tensors)
        if "head.dense.weight" in tensors:  # trained further by transformers, or with tanh from the beginning
            given = extra.get("head")
            dropout = given.get("dropout", model.dropout) if isinstance(given, dict) else model.dropout
            extra["head"] = pooled_head(tensors, dropout)
    return ForeignModel(folder, model, tensors, origins, tuple(mapped.unexpected), found.notes, own=extra)


def _own_config(folder: Path, found: HuggingFaceConfig) -> tuple[ModelConfig, dict[str, Any]] | None:
    """What this program wrote about the model, unless somebody has put another model or head there since."""
    if not (folder / OWN_CONFIG).is_file():
        return None
    content = read_json_table(folder / OWN_CONFIG)
    model = ModelConfig.from_dict(content.get("model", {}))
    if replace(model, vocabulary_size=model.padded_vocabulary_size) != found.model or "kind" not in content:
        return None
    kind = str(content["kind"])
    classes = (TASK_CLASSES[kind], "Model") if kind in TASK_CLASSES else ("ForPreTraining", "ForMaskedLM")
    if not {CLASS_STEMS[model.architecture] + end for end in classes} & {*found.architectures}:
        return None
    names = label_names(kind, content)
    if names and found.content.get("id2label") != {str(number): name for number, name in enumerate(names)}:
        return None
    return model, {key: value for key, value in content.items() if key not in ("format", "model")}


def read_huggingface_vocabulary(folder: Path) -> Vocabulary:
    """The vocabulary of a folder: tokenizer.json, or vocab.txt with what the files beside it say of it.

    Its added tokens are found in texts, as transformers finds them, but for those that BERT has itself.

    Raises:
        VocabularyError: there is none, or one that cannot be read.
        ModelError: tokenizer_config.json contradicts a tokenizer.json, or is not that of a vocab.txt.
    """
    if (folder / TOKENIZER_FILE).is_file():
        vocabulary = Vocabulary.load(folder)
        check_tokenizer_settings(folder)
    else:
        listed = Vocabulary.load(folder, cased=tokenizer_case(folder))
        vocabulary = with_added_tokens(listed, added_tokens(folder), where=folder)
    return with_readable_tokens(vocabulary, where=folder)

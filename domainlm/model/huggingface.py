"""The shape of a Hugging Face BERT or MegatronBert from its config.json, and back. Imports no torch.

Names and defaults are those of the configurations of transformers' `bert` and `megatron-bert` models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.api import Architecture
from domainlm.errors import ModelError
from domainlm.model.config import NUM_TOKEN_TYPES, ModelConfig

CONFIG_FILE = "config.json"
TOKENIZER_SETTINGS_FILE = "tokenizer_config.json"
MODEL_TYPES: Mapping[str, Architecture] = {"bert": "bert", "megatron-bert": "megatron"}
"""Of config.json's `model_type`."""

_TANH = ("gelu_pytorch_tanh", "gelu_new", "gelu_fast", "gelu_python_tanh", "gelu_accurate")
"""Names of the approximation by tanh; they differ in how it is computed."""
_ABOUT_DECODER, _WITH_DECODER = "tie_word_embeddings", ("ForMaskedLM", "ForPreTraining", "LMHeadModel")
"""A key that says nothing of the classes without a decoder, and the ends of the names of those with one."""
_MUST_BE: Mapping[str, tuple[tuple[object, ...], str]] = {
    # key: (values that this program computes; the first is the default), why others are refused
    "hidden_act": (("gelu", "gelu_python", *_TANH), "only GELU and its approximation by tanh are computed here"),
    "position_embedding_type": (("absolute",), "only absolute positions are computed here"),
    "is_decoder": ((False,), "a decoder hides what follows a token"),
    "add_cross_attention": ((False,), "there is no second sequence to attend to"),
    "type_vocab_size": ((NUM_TOKEN_TYPES,), "an encoder here has two segments"),
    "pruned_heads": (({}, None), "all layers here have the same number of heads"),
    _ABOUT_DECODER: ((True,), "the word embedding is the decoder here"),
    "quantization_config": ((None,), "weights are read as they were trained, not quantised"),
}
_DEFAULTS: Mapping[str, Any] = {
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "layer_norm_eps": 1e-12,
}


@dataclass(frozen=True, slots=True)
class HuggingFaceConfig:
    """What a Hugging Face folder says of its model.

    Attributes:
        model: the encoder; `vocabulary_size` is that of the word embedding's rows, padding included.
        architectures: classes that the weights were saved from, as "BertForMaskedLM".
        notes: what is taken over otherwise than it stands there.
        content: all of config.json.
    """

    model: ModelConfig
    architectures: tuple[str, ...]
    notes: tuple[str, ...]
    content: Mapping[str, Any]


def read_huggingface_config(folder: Path) -> HuggingFaceConfig:
    """Read a folder's config.json.

    Raises:
        ModelError: it is missing or damaged, of another kind of model, or asks for something not computed here.
    """
    path = folder / CONFIG_FILE
    content = read_json_table(path)
    architecture = MODEL_TYPES.get(str(content.get("model_type")))
    if architecture is None:
        kind = content.get("model_type")
        raise ModelError("not a kind of model that can be read", where=path, given=kind, allowed=(*MODEL_TYPES,))
    architectures = _architectures(content, path)
    for key, (values, reason) in _MUST_BE.items():
        if key == _ABOUT_DECODER and architectures and not any(name.endswith(_WITH_DECODER) for name in architectures):
            continue
        if content.get(key, values[0]) not in values:
            raise ModelError(
                f"this model cannot be computed: {reason}",
                where=f"{path}: {key}",
                given=content[key],
                allowed=str(values[0]),
            )
    hidden_dropout, attention_dropout = (
        float(_number(content, key, path)) for key in ("hidden_dropout_prob", "attention_probs_dropout_prob")
    )
    notes = []
    if hidden_dropout != attention_dropout:
        notes.append(f"dropout of attention is {hidden_dropout}, as that of hidden states; it was {attention_dropout}")
    rows = _whole(content, "vocab_size", path)
    try:
        model = ModelConfig(
            layers=_whole(content, "num_hidden_layers", path),
            hidden=_whole(content, "hidden_size", path),
            heads=_whole(content, "num_attention_heads", path),
            feed_forward=_whole(content, "intermediate_size", path),
            max_positions=_whole(content, "max_position_embeddings", path),
            architecture=architecture,
            dropout=hidden_dropout,
            vocabulary_size=rows,
            padded_vocabulary_size=rows,
            layer_norm_epsilon=float(_number(content, "layer_norm_eps", path)),
            activation="gelu_tanh" if content.get("hidden_act") in _TANH else "gelu",
        )
    except ModelError as error:
        raise ModelError(error.problem, where=path, given=error.given, allowed=error.allowed) from None
    return HuggingFaceConfig(model, architectures, tuple(notes), content)


def _architectures(content: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """The names of the classes of transformers that the weights are for, where it says any."""
    given = content.get("architectures") or []
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise ModelError(
            "not a list of names of classes",
            where=f"{path}: architectures",
            given=repr(given)[:80],
            allowed='such as ["BertForMaskedLM"]',
        )
    return tuple(given)


def huggingface_config(model: ModelConfig, architecture: str, *, num_rows: int, pad_id: int) -> dict[str, Any]:
    """The content of config.json for a model.

    Args:
        model: the encoder.
        architecture: class that the weights are for.
        num_rows: of the word embedding that is written.
        pad_id: id of [PAD].
    """
    kind = next(kind for kind, order in MODEL_TYPES.items() if order == model.architecture)
    return {
        "architectures": [architecture],
        "attention_probs_dropout_prob": model.dropout,
        "dtype": "float32",
        "hidden_act": _TANH[0] if model.activation == "gelu_tanh" else "gelu",
        "hidden_dropout_prob": model.dropout,
        "hidden_size": model.hidden,
        "initializer_range": 0.02,
        "intermediate_size": model.feed_forward,
        "layer_norm_eps": model.epsilon,
        "max_position_embeddings": model.max_positions,
        "model_type": kind,
        "num_attention_heads": model.heads,
        "num_hidden_layers": model.layers,
        "pad_token_id": pad_id,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": True,
        "type_vocab_size": NUM_TOKEN_TYPES,
        "vocab_size": num_rows,
    }


def read_json_table(path: Path) -> dict[str, Any]:
    """The JSON object in a file; raises `ModelError`."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(f"there is no {path.name}", where=path.parent) from None
    except ValueError as error:
        raise ModelError(f"not JSON: {error}", where=path) from None
    if not isinstance(content, dict):
        raise ModelError("not a JSON object", where=path)
    return content


def _number(content: Mapping[str, Any], key: str, path: Path) -> float:
    value = content.get(key, _DEFAULTS.get(key))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ModelError(f"wrong or missing {key}", where=path, given=repr(value), allowed="a number")
    return value


def _whole(content: Mapping[str, Any], key: str, path: Path) -> int:
    value = _number(content, key, path)
    if not isinstance(value, int):
        raise ModelError(f"wrong {key}", where=path, given=repr(value), allowed="a whole number")
    return value

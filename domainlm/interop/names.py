"""What each tensor is called here and in Hugging Face folders; query, key and value are one tensor here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from domainlm.errors import ModelError
from domainlm.model.config import ModelConfig

_PARTS = ("weight", "bias")
_STEM = "bert."
"""Stands before the encoder's names in folders of a model with a head."""
_OLD_ENDINGS = {".gamma": ".weight", ".beta": ".bias"}
"""How the first conversions from TensorFlow called the parts of a normalisation."""
_SELF = "attention.self"
_PROJECTIONS = ("query", "key", "value")

_EMBEDDINGS = {
    "embeddings.word.weight": "embeddings.word_embeddings.weight",
    "embeddings.position.weight": "embeddings.position_embeddings.weight",
    "embeddings.token_type.weight": "embeddings.token_type_embeddings.weight",
}
_LAYER = {
    "bert": {
        "attention.output": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "feed_forward.inner": "intermediate.dense",
        "feed_forward.output": "output.dense",
        "feed_forward_norm": "output.LayerNorm",
    },
    "megatron": {
        "attention_norm": "attention.ln",
        "attention.output": "attention.output.dense",
        "feed_forward_norm": "ln",
        "feed_forward.inner": "intermediate.dense",
        "feed_forward.output": "output.dense",
    },
}
_ENCODER = {"bert": {"embeddings.norm": "embeddings.LayerNorm"}, "megatron": {"norm": "encoder.ln"}}
_HEADS = {
    "masked_lm.dense": "cls.predictions.transform.dense",
    "masked_lm.norm": "cls.predictions.transform.LayerNorm",
    "sentence_order.pooler": "pooler.dense",
    "sentence_order.classifier": "cls.seq_relationship",
}
TASK_HEADS = {
    "token": {"head.output": "classifier"},
    "span": {"head.output": "qa_outputs"},
    "sequence": {"head.dense": "pooler.dense", "head.output": "classifier"},
}
"""What the head of a task model is called there, by its kind."""
_DECODER_BIAS = "cls.predictions.bias"
_TIED = {
    "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": _DECODER_BIAS,
}
"""Copies that some folders hold, and what they are copies of."""
_WITHOUT_STEM = ("cls.", "classifier.", "qa_outputs.")
_NOT_WEIGHTS = ("embeddings.position_ids",)


@dataclass(frozen=True, slots=True)
class Mapped:
    """Tensors under this program's names.

    Attributes:
        tensors: by name.
        origins: by the same names, what they are called in the source.
        unexpected: names in the source that mean nothing here, in its order.
    """

    tensors: dict[str, torch.Tensor]
    origins: dict[str, tuple[str, ...]]
    unexpected: list[str]


def from_huggingface(source: Mapping[str, torch.Tensor], config: ModelConfig, kind: str = "pretraining") -> Mapped:
    """Rename the tensors of a Hugging Face folder, and join query, key and value.

    Args:
        source: by their names there, with "bert." before the encoder's names or without.
        config: shape of the encoder.
        kind: of the model folder that it is for; the tensors of other heads are then unexpected.

    Raises:
        ModelError: the decoder is another matrix than the word embedding, or projections have a wrong shape.
    """
    found = _by_plain_name(source)
    theirs = {plain: source[name] for plain, name in found.items()}
    _check_tied(theirs)
    if _DECODER_BIAS not in theirs and "cls.predictions.decoder.bias" in theirs:
        theirs[_DECODER_BIAS] = theirs["cls.predictions.decoder.bias"]
    tensors: dict[str, torch.Tensor] = {}
    names_of: dict[str, tuple[str, ...]] = {}
    for ours, name in _pairs(config, kind):
        if name in theirs:
            tensors[ours], names_of[ours] = theirs[name], (name,)
    for ours, names in _projection_names(config):
        if all(name in theirs for name in names):
            tensors[ours], names_of[ours] = join_projections([theirs[name] for name in names], config), names
    used = {*_TIED, *_NOT_WEIGHTS, *(name for names in names_of.values() for name in names)}
    origins = {ours: tuple(found.get(name, name) for name in names) for ours, names in names_of.items()}
    return Mapped(tensors, origins, [found[plain] for plain in found if plain not in used])


def to_huggingface(
    tensors: Mapping[str, torch.Tensor], config: ModelConfig, kind: str = "pretraining"
) -> dict[str, torch.Tensor]:
    """The inverse of `from_huggingface`, with "bert." before the encoder's names; what has no name there is dropped."""
    renamed = {_with_stem(name): tensors[ours] for ours, name in _pairs(config, kind) if ours in tensors}
    for ours, names in _projection_names(config):
        parts = split_projections(tensors[ours], config)
        renamed.update(zip(map(_with_stem, names), parts, strict=True))
    return renamed


def join_projections(parts: list[torch.Tensor], config: ModelConfig) -> torch.Tensor:
    """Query, key and value, each [hidden, ...], to [3 * hidden, ...], whose rows are grouped by head."""
    heads, width = config.heads, config.head_width
    for part in parts:
        if part.shape[0] != heads * width:
            raise ModelError("a projection has a wrong shape", given=tuple(part.shape), allowed=f"{heads * width} rows")
    rest = parts[0].shape[1:]
    return torch.stack([part.reshape(heads, width, *rest) for part in parts], dim=1).reshape(-1, *rest)


def split_projections(joined: torch.Tensor, config: ModelConfig) -> list[torch.Tensor]:
    """The inverse of `join_projections`."""
    rest = joined.shape[1:]
    grouped = joined.reshape(config.heads, 3, config.head_width, *rest)
    return [grouped[:, part].reshape(-1, *rest).contiguous() for part in range(3)]


def _pairs(config: ModelConfig, kind: str) -> Iterator[tuple[str, str]]:
    """Our name and theirs (without "bert.") of each tensor that is the same in both."""
    for ours, theirs in _EMBEDDINGS.items():
        yield f"encoder.{ours}", theirs
    modules = {f"encoder.{ours}": theirs for ours, theirs in _ENCODER[config.architecture].items()}
    for number in range(config.layers):
        for ours, theirs in _LAYER[config.architecture].items():
            modules[f"encoder.layers.{number}.{ours}"] = f"encoder.layer.{number}.{theirs}"
    for ours, theirs in (modules | TASK_HEADS.get(kind, _HEADS)).items():
        for part in _PARTS:
            yield f"{ours}.{part}", f"{theirs}.{part}"
    if kind not in TASK_HEADS:
        yield "masked_lm.bias", _DECODER_BIAS


def _projection_names(config: ModelConfig) -> Iterator[tuple[str, tuple[str, ...]]]:
    for number in range(config.layers):
        for part in _PARTS:
            names = tuple(f"encoder.layer.{number}.{_SELF}.{each}.{part}" for each in _PROJECTIONS)
            yield f"encoder.layers.{number}.attention.query_key_value.{part}", names


def _plain(name: str) -> str:
    for old, new in _OLD_ENDINGS.items():
        if name.endswith(old):
            name = name.removesuffix(old) + new
    return name.removeprefix(_STEM)


def _by_plain_name(source: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """What each tensor is called in the source; raises `ModelError` where two names mean the same tensor."""
    found: dict[str, str] = {}
    for name in source:
        other = found.setdefault(_plain(name), name)
        if other != name:
            raise ModelError(
                "two tensors have names of the same one",
                given=f"{other}, {name}",
                remedy="leave one of them out of the file",
            )
    return found


def _with_stem(name: str) -> str:
    return name if name.startswith(_WITHOUT_STEM) else f"{_STEM}{name}"


def _check_tied(theirs: Mapping[str, torch.Tensor]) -> None:
    for copy, original in _TIED.items():
        if copy in theirs and original in theirs and not torch.equal(theirs[copy], theirs[original]):
            raise ModelError(
                f"{copy} is another tensor than {original}, of which it is a copy in models that can be read",
                remedy="models whose decoder is not the word embedding cannot be computed here",
            )

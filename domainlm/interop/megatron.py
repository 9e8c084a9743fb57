"""Megatron-LM and NeMo checkpoints of BERT, merged over their ranks (Shoeybi et al. 2019).

Weights of tensor ranks are parts of a whole: rows of column-parallel layers, columns of row-parallel ones, entries of
the vocabulary. Pipeline stages number their layers from 0. Query, key and value are the rows of one weight, laid out by
`checkpoint_version`: below 1.0 [3, heads, width]; 1.0 [heads, width, 3]; 2.0 and above [heads, 3, width], as here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import torch

from domainlm.errors import ModelError
from domainlm.interop.foreign import ForeignModel
from domainlm.interop.megatron_settings import check_settings, gelu_notes, number_setting, whole_setting
from domainlm.interop.shards import Shards, read_shards
from domainlm.model.config import NUM_TOKEN_TYPES, ModelConfig

_ROOT = re.compile(r"(?:^|\.)(?=(?:language_model|lm_head|binary_head)\.)")
_LAYER = re.compile(r"(?:transformer|encoder)\.layers\.(\d+)\.(.+)")
_TOP = {
    "language_model.embedding.word_embeddings": "encoder.embeddings.word",
    "language_model.embedding.position_embeddings": "encoder.embeddings.position",
    "language_model.embedding.tokentype_embeddings": "encoder.embeddings.token_type",
    "language_model.encoder.final_layernorm": "encoder.norm",
    "language_model.pooler.dense": "sentence_order.pooler",
    "lm_head": "masked_lm",
    "lm_head.dense": "masked_lm.dense",
    "lm_head.layernorm": "masked_lm.norm",
    "binary_head": "sentence_order.classifier",
}
_IN_LAYER = {
    "input_layernorm": "attention_norm",
    "self_attention.query_key_value": "attention.query_key_value",
    "self_attention.dense": "attention.output",
    "post_attention_layernorm": "feed_forward_norm",
    "mlp.dense_h_to_4h": "feed_forward.inner",
    "mlp.dense_4h_to_h": "feed_forward.output",
}
_CORE_NAMES = (
    (re.compile(r"^(?:.*\.)?(embedding\.|encoder\.(?:layers|final)|pooler\.)"), r"language_model.\1"),
    (re.compile(r"^(?:.*\.)?output_layer\.bias$"), "lm_head.bias"),
    (re.compile(r"^lm_head\.layer_norm\b"), "lm_head.layernorm"),
    (re.compile(r"self_attention\.linear_qkv\.layer_norm_"), "input_layernorm."),
    (re.compile(r"mlp\.linear_fc1\.layer_norm_"), "post_attention_layernorm."),
    (re.compile(r"pre_mlp_layernorm\b"), "post_attention_layernorm"),
    (re.compile(r"self_attention\.linear_qkv\b"), "self_attention.query_key_value"),
    (re.compile(r"self_attention\.linear_proj\b"), "self_attention.dense"),
    (re.compile(r"mlp\.linear_fc1\b"), "mlp.dense_h_to_4h"),
    (re.compile(r"mlp\.linear_fc2\b"), "mlp.dense_4h_to_h"),
)
"""How Megatron-Core's BERT calls them: normalisations by themselves, or within the product that follows them."""
_CORE_MARK = re.compile(r"(?:^|\.)self_attention\.linear_qkv\.weight$")
_OTHER_SPELLINGS = (
    (re.compile(r"\.transformer\."), ".encoder."),
    (re.compile(r"(?<=\d)\.attention\."), ".self_attention."),
    (re.compile(r"(input|post_attention|final)_norm\b"), r"\1_layernorm"),
    (re.compile(r"^lm_head\.norm\b"), "lm_head.layernorm"),
)
_COPIES = ("word_embeddings_for_head.weight", "output_layer.weight")
"""What the last pipeline stage holds of the word embedding, which is its decoder."""
_ROWS = ("attention.query_key_value.", "feed_forward.inner.", "encoder.embeddings.word.", "masked_lm.bias")
_COLUMNS = ("attention.output.weight", "feed_forward.output.weight")
_LEGACY_VERSION, _LATEST_VERSION = 0.0, 3.0


def read_megatron(path: Path, *, heads: int | None = None) -> ForeignModel:
    """Read a checkpoint and merge its ranks.

    Args:
        path: as `domainlm.interop.shards.read_shards` takes it.
        heads: attention heads, where the checkpoint does not say it.

    Raises:
        ModelError: it cannot be read or is none of BERT, ranks do not fit together, or heads are not known.
    """
    return merge_shards(read_shards(path), heads=heads)


def merge_shards(shards: Shards, *, heads: int | None = None) -> ForeignModel:
    """The same of what the ranks have saved."""
    first = shards.contents[0, 0]
    settings = _settings(first, shards)
    num_heads = whole_setting(settings, "num_attention_heads") or heads or 0
    if not num_heads:
        raise ModelError(
            "the checkpoint does not say how many attention heads the model has",
            where=shards.where,
            remedy="give the number of heads: --heads of `domainlm model import`, model.size of a recipe",
        )
    check_settings(settings, shards.where)
    version = _version(first, shards)
    degree, num_stages = (max(rank[axis] for rank in shards.contents) + 1 for axis in (0, 1))
    merged: dict[str, torch.Tensor] = {}
    unexpected: list[str] = []
    copies: list[tuple[int, torch.Tensor]] = []
    num_layers = 0
    for chunk, stage in product(range(len(_chunks_of(first))), range(num_stages)):
        ranks = []
        for rank in range(degree):
            tensors = dict(_renamed(_chunk(shards, rank, stage, chunk), num_layers, unexpected))
            copies += [(rank, tensors.pop(name)) for name in _COPIES if name in tensors]
            ranks.append(tensors)
        for name in ranks[0]:
            merged[name] = _merge(name, [_part(rank, name, shards) for rank in ranks], version, num_heads)
        num_layers = 1 + max((int(name.split(".")[2]) for name in merged if ".layers." in name), default=-1)
    _check_whole(merged, num_layers, copies, degree, settings, shards.where)
    config = _config(merged, num_layers, num_heads, settings, shards.where)
    origins = {name: (name,) for name in merged}
    unexpected = [*dict.fromkeys(unexpected)]
    return ForeignModel(
        shards.where,
        config,
        merged,
        origins,
        tuple(unexpected),
        gelu_notes(settings),
        vocabulary=None if shards.where.is_dir() else shards.vocabulary,
    )


def _settings(content: Any, shards: Shards) -> Mapping[str, Any]:  # noqa: ANN401 - whatever was saved
    """What the checkpoint says of the model's shape: Megatron-LM's arguments, or NeMo's model_config.yaml."""
    args = content.get("args") if isinstance(content, dict) else None
    if args is None:
        return shards.settings
    return args if isinstance(args, dict) else vars(args)


def _version(content: Any, shards: Shards) -> float:  # noqa: ANN401
    if shards.settings:
        return _LEGACY_VERSION if shards.settings.get("megatron_legacy", "").lower() == "true" else _LATEST_VERSION
    usual = _LATEST_VERSION if _is_core(content) else _LEGACY_VERSION
    version = content.get("checkpoint_version", usual) if isinstance(content, dict) else None
    if not isinstance(version, int | float):
        raise ModelError("not a checkpoint of Megatron-LM", where=shards.where)
    return float(version)


def _chunks_of(content: Any) -> list[Mapping[Any, Any]]:  # noqa: ANN401
    """The model of one rank: whole, or the parts that an interleaved pipeline has given it, in their order."""
    if not isinstance(content, dict):
        return [{}]
    parts = [content[name] for name in map("model{}".format, range(len(content))) if name in content]
    return parts or [content.get("model") or content.get("state_dict") or content]


def _chunk(shards: Shards, rank: int, stage: int, chunk: int) -> Mapping[Any, Any]:
    chunks = _chunks_of(shards.contents[rank, stage])
    if chunk >= len(chunks):
        raise ModelError(f"rank {rank} of pipeline stage {stage} lacks model{chunk}", where=shards.where)
    return chunks[chunk]


def _is_core(content: Any) -> bool:  # noqa: ANN401
    return any(_CORE_MARK.search(name) for chunk in _chunks_of(content) for name, _ in _flat(chunk, ""))


def _renamed(chunk: Mapping[Any, Any], first_layer: int, unexpected: list[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of a chunk under our names, its layers numbered from `first_layer`; `_COPIES` under those names."""
    is_core = any(_CORE_MARK.search(name) for name, _ in _flat(chunk, ""))
    for full_name, tensor in _flat(chunk, ""):
        root = _ROOT.search(full_name)
        name = full_name[root.end() :] if root else full_name
        for spelling, usual in _CORE_NAMES if is_core else ():
            name = spelling.sub(usual, name)
        for spelling, usual in _OTHER_SPELLINGS:
            name = spelling.sub(usual, name)
        ours = _our_name(name, first_layer)
        copied = next((each for each in _COPIES if name.endswith(each)), None)
        if ours is not None or copied is not None:
            yield ours or str(copied), tensor
        else:
            unexpected.append(full_name)


def _flat(table: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    for key, value in table.items():
        if isinstance(value, torch.Tensor):
            yield f"{prefix}{key}", value
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")


def _our_name(name: str, first_layer: int) -> str | None:
    module, _, part = name.rpartition(".")
    layer = _LAYER.search(module)
    if layer is not None:
        inner = _IN_LAYER.get(layer[2])
        return None if inner is None else f"encoder.layers.{first_layer + int(layer[1])}.{inner}.{part}"
    top = _TOP.get(module)
    return None if top is None else f"{top}.{part}"


def _part(rank: Mapping[str, torch.Tensor], name: str, shards: Shards) -> torch.Tensor:
    if name not in rank:
        raise ModelError(f"a tensor rank lacks {name}", where=shards.where)
    return rank[name]


def _merge(name: str, parts: list[torch.Tensor], version: float, heads: int) -> torch.Tensor:
    if ".query_key_value." in name:
        parts = [_by_head(part, version, heads // len(parts)) for part in parts]
    if len(parts) == 1:
        return parts[0]
    if name.endswith(_COLUMNS):
        return torch.cat(parts, dim=1)
    if any(each in name for each in _ROWS):
        return torch.cat(parts)
    if not all(torch.equal(part, parts[0]) for part in parts[1:]):
        raise ModelError(f"the tensor ranks hold different copies of {name}")
    return parts[0]


def _by_head(joined: torch.Tensor, version: float, heads: int) -> torch.Tensor:
    """Rows [heads, 3, width] from the layout of a checkpoint version."""
    rest = joined.shape[1:]
    if version >= 2.0:
        return joined
    if heads < 1 or joined.shape[0] % (3 * heads):
        raise ModelError(
            "query, key and value do not fit the heads", given=tuple(joined.shape), allowed=f"{heads} heads"
        )
    width = joined.shape[0] // (3 * heads)
    if version == 1.0:
        return joined.reshape(heads, width, 3, *rest).transpose(1, 2).reshape(joined.shape)
    return joined.reshape(3, heads, width, *rest).transpose(0, 1).reshape(joined.shape)


def _check_whole(
    merged: Mapping[str, torch.Tensor],
    num_layers: int,
    copies: list[tuple[int, torch.Tensor]],
    degree: int,
    settings: Mapping[str, Any],
    where: Path,
) -> None:
    """Refuse a model of which layers are missing, or whose decoder is another than the word embedding."""
    said = whole_setting(settings, "num_layers")
    if said and said != num_layers:
        raise ModelError("not all layers are in the checkpoint", where=where, given=num_layers, allowed=str(said))
    words = merged.get("encoder.embeddings.word.weight", torch.empty(0))
    for rank, copy in copies:
        rows = len(words) // degree
        if not torch.equal(copy, words[rank * rows : (rank + 1) * rows]):
            raise ModelError("this model cannot be computed: the word embedding is the decoder here", where=where)


def _config(
    merged: Mapping[str, torch.Tensor], layers: int, heads: int, settings: Mapping[str, Any], where: Path
) -> ModelConfig:
    def shape(name: str) -> torch.Size:
        if name not in merged:
            raise ModelError("not a checkpoint of BERT", where=where, given=f"there is no {name}")
        return merged[name].shape

    rows, hidden = shape("encoder.embeddings.word.weight")
    if shape("encoder.embeddings.token_type.weight")[0] != NUM_TOKEN_TYPES:
        raise ModelError("this model cannot be computed: an encoder here has two segments", where=where)
    return ModelConfig(
        layers=layers,
        hidden=hidden,
        heads=heads,
        feed_forward=shape("encoder.layers.0.feed_forward.inner.weight")[0],
        max_positions=shape("encoder.embeddings.position.weight")[0],
        architecture="megatron",
        dropout=number_setting(settings, "hidden_dropout", default=0.1),
        vocabulary_size=rows,
        padded_vocabulary_size=rows,
        layer_norm_epsilon=number_setting(settings, "layernorm_epsilon", "norm_epsilon", default=1e-5),
    )

"""A model folder of this program as a Hugging Face folder, which transformers loads with its own classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from domainlm.errors import ModelError
from domainlm.files import write_json
from domainlm.interop.folders import new_folder
from domainlm.interop.huggingface import HEAD_FILE, OWN_CONFIG
from domainlm.interop.names import to_huggingface
from domainlm.interop.task_heads import CLASS_STEMS, POOLER_SCALE, TASK_CLASSES, head_activation, label_names
from domainlm.model.config import ModelConfig
from domainlm.model.files import CONFIG, FolderConfig, read_config, read_tensors
from domainlm.model.huggingface import CONFIG_FILE, TOKENIZER_SETTINGS_FILE, huggingface_config
from domainlm.model.tensor_file import write_tensors
from domainlm.model.weight_files import SAFETENSORS
from domainlm.vocab.bert import SPECIAL_TOKENS
from domainlm.vocab.vocabulary import Vocabulary

_CARD = "README.md"
_METADATA = {"format": "pt"}
_POOLER_NOTE = (
    "the pooler of transformers' class is set to a tiny multiple of the identity, for this head has none: scores are "
    "the same, but train it further here, not there"
)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        architecture: class of transformers that loads all of it.
        notes: what that class cannot express, and what is otherwise than in the model folder.
    """

    architecture: str
    notes: tuple[str, ...]


def export_huggingface(
    folder: Path, out: Path, *, card: str | None = None, keep_padding: bool = False, force: bool = False
) -> Exported:
    """Write config.json, model.safetensors, the tokeniser's files and README.md.

    Args:
        folder: a model folder.
        out: where to write.
        card: text of README.md; a short one where None.
        keep_padding: keep the rows of the word embedding that stand for no entry; left out, scores have one value for
            each entry, as here.
        force: replace what stands at `out`.

    Raises:
        ModelError: it is no model folder.
        StorageError: something stands at `out` already.
    """
    found, vocabulary = read_config(folder), Vocabulary.load(folder)
    model = found.model if keep_padding else replace(found.model, padded_vocabulary_size=found.model.vocabulary_size)
    tensors = _trimmed(read_tensors(folder), model)
    exported, theirs, head = _express(found, model, tensors)
    with new_folder(out, force=force, source=folder) as partial:
        write_tensors(partial / SAFETENSORS, theirs, _METADATA)
        if head:
            write_tensors(partial / HEAD_FILE, head, _METADATA)
        _write_tokeniser(vocabulary, model, partial)
        own = json.loads((folder / CONFIG).read_bytes()) | {"model": model.as_dict()}
        write_json(partial / OWN_CONFIG, own)
        (partial / _CARD).write_text(
            card or "\n".join([f"# {out.name}", "", *_loading_lines(exported, out.name), ""]), encoding="utf-8"
        )
        settings = huggingface_config(
            model, exported.architecture, num_rows=model.padded_vocabulary_size, pad_id=vocabulary.pad_id
        )
        write_json(partial / CONFIG_FILE, dict(sorted((settings | _labels(found)).items())))
    return exported


def _express(
    found: FolderConfig, model: ModelConfig, tensors: Mapping[str, torch.Tensor]
) -> tuple[Exported, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The class to load it with, its tensors, and those of a head that it cannot hold."""
    stem, kind = CLASS_STEMS[model.architecture], found.kind
    if kind == "pretraining":
        name = "ForPreTraining" if "sentence_order.pooler.weight" in tensors else "ForMaskedLM"
        return Exported(f"{stem}{name}", ()), to_huggingface(tensors, model), {}
    if kind not in TASK_CLASSES:
        raise ModelError("this kind of model cannot be written so", given=kind, allowed=("pretraining", *TASK_CLASSES))
    theirs = to_huggingface(tensors, model, kind)
    reason = _hindrance(found, model, tensors)
    if reason is not None:
        head = {name: tensor for name, tensor in tensors.items() if name.startswith("head.")}
        bare = {name: tensor for name, tensor in to_huggingface(tensors, model).items() if "pooler" not in name}
        note = f"only the encoder can be loaded by transformers, since {reason}; the head lies in {HEAD_FILE}"
        return Exported(f"{stem}Model", (note,)), bare, head
    notes: tuple[str, ...] = ()
    if kind == "sequence" and "head.dense.weight" not in tensors:
        theirs |= _through_a_pooler(tensors, model)
        notes = (_POOLER_NOTE,)
    return Exported(f"{stem}{TASK_CLASSES[kind]}", notes), theirs, {}


def _hindrance(found: FolderConfig, model: ModelConfig, tensors: Mapping[str, torch.Tensor]) -> str | None:
    dense = tensors.get("head.dense.weight")
    if dense is not None:
        is_pooler = head_activation(found.extra) == "tanh" and dense.shape == (model.hidden, model.hidden)
        if found.kind == "sequence" and is_pooler:
            return None
        return "its classes have one fully connected layer, and this head has two (num_fc_layers)"
    if found.kind != "sequence":
        return None
    slots = tensors["head.output.weight"].shape[1] // model.hidden
    return None if slots == 1 else f"its class reads one place of a text, and this head {slots}"


def _through_a_pooler(tensors: Mapping[str, torch.Tensor], model: ModelConfig) -> dict[str, torch.Tensor]:
    """The head behind tanh(scale * states), which is scale * states to fp32's last digits where scale is small."""
    scale = POOLER_SCALE
    return {
        "bert.pooler.dense.weight": torch.eye(model.hidden) * scale,
        "bert.pooler.dense.bias": torch.zeros(model.hidden),
        "classifier.weight": tensors["head.output.weight"] / scale,
        "classifier.bias": tensors["head.output.bias"],
    }


def _trimmed(tensors: Mapping[str, torch.Tensor], model: ModelConfig) -> dict[str, torch.Tensor]:
    rows = model.padded_vocabulary_size
    return {
        name: tensor[:rows] if name in ("encoder.embeddings.word.weight", "masked_lm.bias") else tensor
        for name, tensor in tensors.items()
    }


def _labels(found: FolderConfig) -> dict[str, Any]:
    """The names of the labels, where the model has some, and the head's dropout."""
    names = label_names(found.kind, found.extra)
    settings: dict[str, Any] = {}
    if names:
        settings["id2label"] = {str(number): name for number, name in enumerate(names)}
        settings["label2id"] = {name: number for number, name in enumerate(names)}
    head = found.extra.get("head")
    if isinstance(head, dict) and "dropout" in head:
        settings["classifier_dropout"] = head["dropout"]
    return settings


def _write_tokeniser(vocabulary: Vocabulary, model: ModelConfig, folder: Path) -> None:
    vocabulary.save(folder)
    ids = (vocabulary.pad_id, vocabulary.unk_id, vocabulary.cls_id, vocabulary.sep_id, vocabulary.mask_id)
    names = dict(zip(SPECIAL_TOKENS, vocabulary.tokens(ids), strict=True))
    settings: dict[str, Any] = {f"{name.strip('[]').lower()}_token": entry for name, entry in names.items()}
    settings |= {
        "do_lower_case": not vocabulary.cased,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "model_max_length": model.max_positions,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    write_json(folder / TOKENIZER_SETTINGS_FILE, settings)


def loading_lines(folder: Path, name: str) -> list[str]:
    """Lines of a model card that say how transformers loads what becomes of a model folder.

    Args:
        folder: the model folder.
        name: of the exported folder.
    """
    found = read_config(folder)
    return _loading_lines(_express(found, found.model, read_tensors(folder))[0], name)


def _loading_lines(exported: Exported, name: str) -> list[str]:
    return [
        "```python",
        f"from transformers import AutoTokenizer, {exported.architecture}",
        "",
        f'tokenizer = AutoTokenizer.from_pretrained("{name}")',
        f'model = {exported.architecture}.from_pretrained("{name}")',
        "```",
        *(f"\n{note[0].upper()}{note[1:]}." for note in exported.notes),
    ]

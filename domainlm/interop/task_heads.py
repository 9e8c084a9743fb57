"""Task heads of Hugging Face folders: which kind of task model they make, and what their config.json says of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from domainlm.builtin.formats.word_labels import WordNames
from domainlm.errors import ModelError
from domainlm.interop.names import TASK_HEADS
from domainlm.model.config import ModelConfig
from domainlm.model.huggingface import CONFIG_FILE, TOKENIZER_SETTINGS_FILE, HuggingFaceConfig, read_json_table

CLASS_STEMS = {"bert": "Bert", "megatron": "MegatronBert"}
TASK_CLASSES = {
    "token": "ForTokenClassification",
    "span": "ForQuestionAnswering",
    "sequence": "ForSequenceClassification",
}
"""What follows the stem in the name of the class that holds a task model, by its kind."""
POOLER_SCALE = 2.0**-13
"""Of the identity that stands for the pooler which a sequence head lacks; a power of two loses no digit."""

NUM_SPAN_SCORES = 2
"""Rows of the head of a span model: beginning and end."""
_REMEDY = "mend it, or take the encoder alone: domainlm model import --encoder-only"
_NUM_LABELS = 2
"""What transformers takes where config.json names no labels."""
_MAX_SPAN_TOKENS = 384
"""Longest row for questions (Devlin et al. 2019)."""
_NUM_OVERLAP_WORDS = 16
_SMALLEST_LIMIT = 16


def task_kind(found: HuggingFaceConfig, tensors: Collection[str], folder: Path) -> str | None:
    """The kind of task model that a folder is; None where its head is none that is known here, or it has none.

    Args:
        found: its config.json.
        tensors: names of its tensors.
        folder: the folder, for errors.

    Raises:
        ModelError: there is a head, and config.json does not say of which class.
    """
    classes = {f"{CLASS_STEMS[found.model.architecture]}{end}": kind for kind, end in TASK_CLASSES.items()}
    for name in found.architectures:
        if name in classes:
            return classes[name]
    if not found.architectures and {"classifier.weight", "qa_outputs.weight"} & set(tensors):
        raise ModelError(
            "there is a head, and config.json does not say what it is for",
            where=f"{folder / CONFIG_FILE}: architectures",
            allowed=[*classes],
            remedy="name the class there in a list; or take the encoder alone: domainlm model import --encoder-only",
        )
    return None


def check_head(kind: str, tensors: Mapping[str, torch.Tensor], num_labels: int, hidden: int, folder: Path) -> None:
    """Refuse a head that is not there, or has other shapes than config.json says.

    Args:
        kind: of the task model.
        tensors: by our names.
        num_labels: of the head's last layer.
        hidden: width of the encoder.
        folder: for errors.

    Raises:
        ModelError: it is so.
    """
    for ours, theirs in TASK_HEADS[kind].items():
        rows = num_labels if ours == "head.output" else hidden
        for part, shape in (("weight", (rows, hidden)), ("bias", (rows,))):
            tensor = tensors.get(f"{ours}.{part}")
            if tensor is None:
                raise ModelError(
                    "the head that config.json speaks of is missing",
                    where=folder,
                    given=f"no {theirs}.{part}",
                    remedy=_REMEDY,
                )
            if ours == "head.output" and kind != "span" and len(tensor) != rows:
                raise ModelError(
                    "the labels are not those of the head",
                    where=f"{folder / CONFIG_FILE}: id2label",
                    given=f"{rows} labels",
                    allowed=f"{len(tensor)}, one for each row of {theirs}.{part}",
                    remedy=_REMEDY,
                )
            if tuple(tensor.shape) != shape:
                raise ModelError(
                    f"{theirs}.{part} has a wrong shape",
                    where=folder,
                    given=tuple(tensor.shape),
                    allowed=str(shape),
                    remedy=_REMEDY,
                )


def check_kept_head(head: Mapping[str, torch.Tensor], extra: Mapping[str, Any], hidden: int, file: Path) -> None:
    """Refuse the file of a head that lacks tensors, or whose layers do not fit one another; raises `ModelError`."""
    settings = extra.get("head")
    says_two = isinstance(settings, dict) and settings.get("num_fc_layers") == 2
    has_dense = says_two or any(name.startswith("head.dense.") for name in head)
    stems = ("head.dense", "head.output") if has_dense else ("head.output",)
    width = 0  # of what the layer reads: states of one place or of several
    for stem in stems:
        weight, bias = head.get(f"{stem}.weight"), head.get(f"{stem}.bias")
        if weight is None or bias is None:
            lacking = f"{stem}.{'bias' if weight is not None else 'weight'}"
            raise ModelError("a tensor of the head is missing", where=file, given=f"no {lacking}", remedy=_REMEDY)
        is_read = weight.ndim == 2 and (weight.shape[1] == width if width else weight.shape[1] % hidden == 0)
        if not is_read or tuple(bias.shape) != (len(weight),):
            shapes = f"{tuple(weight.shape)} and {tuple(bias.shape)}"
            raise ModelError(f"{stem} has a wrong shape", where=file, given=shapes, remedy=_REMEDY)
        width = len(weight)


def fold_pooler(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A sequence head without its pooler, where that is the tiny multiple of the identity that exporting puts there."""
    folded = dict(tensors)
    weight, bias = folded["head.dense.weight"].float(), folded["head.dense.bias"]
    if not bias.any() and torch.equal(weight, torch.eye(len(weight)) * POOLER_SCALE):
        del folded["head.dense.weight"], folded["head.dense.bias"]
        folded["head.output.weight"] = folded["head.output.weight"].float() * POOLER_SCALE
    return folded


def pooled_head(tensors: Mapping[str, torch.Tensor], dropout: float) -> dict[str, Any]:
    """What config.json says of a sequence head: one layer, or two with tanh between, as behind BERT's pooler."""
    if "head.dense.weight" not in tensors:
        return {"num_fc_layers": 1, "dropout": dropout}
    return {
        "num_fc_layers": 2,
        "fc_hidden": len(tensors["head.dense.weight"]),
        "dropout": dropout,
        "activation": "tanh",
    }


def head_activation(extra: Mapping[str, Any]) -> str:
    """What lies between the two layers of a model folder's head, as its config.json says."""
    head = extra.get("head")
    return str(head.get("activation", "gelu")) if isinstance(head, dict) else "gelu"


def label_names(kind: str, extra: Mapping[str, Any]) -> list[str]:
    """The names of the labels that a model folder's config.json says, by their ids; none where it says none."""
    if "labels" not in extra and kind == "token":
        return ["O", *(f"{prefix}-{name}" for name in extra.get("types", ()) for prefix in "BI")]
    return list(extra.get("labels") or [])


def read_labels(content: Mapping[str, Any], folder: Path) -> list[str]:
    """The labels of config.json by their ids; transformers' own names for them where it has none.

    Raises:
        ModelError: they are not numbered from 0, or two have the same name.
    """
    where = f"{folder / CONFIG_FILE}: id2label"
    given = content.get("id2label")
    if given is None:
        number = content.get("num_labels", _NUM_LABELS)
        if not isinstance(number, int) or number < 1:
            raise ModelError("wrong number", where=f"{folder / CONFIG_FILE}: num_labels", given=repr(number))
        return [f"LABEL_{number}" for number in range(number)]
    numbers = {str(number) for number in range(len(given))} if isinstance(given, dict) else set()
    if not numbers or set(given) != numbers:
        raise ModelError(
            "the labels are not numbered one by one from 0",
            where=where,
            given=", ".join(map(str, given)) if isinstance(given, dict) and given else repr(given),
            allowed='a table such as {"0": "O", "1": "B-X", "2": "I-X"}',
            remedy=_REMEDY,
        )
    names = [str(given[str(number)]) for number in range(len(given))]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ModelError("several labels have the same name", where=where, given=", ".join(twice), remedy=_REMEDY)
    return names


def check_one_label_each(content: Mapping[str, Any], labels: Collection[str], folder: Path) -> None:
    """Refuse heads that give a text a number, or several labels at once; raises `ModelError`."""
    path = folder / CONFIG_FILE
    kind = content.get("problem_type")
    if kind not in (None, "single_label_classification"):
        raise ModelError(
            "a sequence model here gives each text one of its labels",
            where=f"{path}: problem_type",
            given=kind,
            allowed="single_label_classification, or none",
            remedy="take the encoder alone: domainlm model import --encoder-only",
        )
    if len(labels) < 2:
        raise ModelError(
            "a head with one label gives numbers (regression), and a sequence model here tells labels apart",
            where=f"{path}: id2label",
            given=f"{len(labels)} label",
            allowed="2 or more",
            remedy="take the encoder alone: domainlm model import --encoder-only",
        )


def task_settings(
    kind: str, labels: list[str], model: ModelConfig, content: Mapping[str, Any], folder: Path
) -> tuple[dict[str, Any], list[str]]:
    """What config.json of a model folder says besides the encoder's shape and the head's, and what to tell its user.

    Args:
        kind: of the task model.
        labels: their names; none of a span model.
        model: the encoder.
        content: config.json of the source.
        folder: the source.
    """
    limit = _limit(model, folder)
    head = {"num_fc_layers": 1, "dropout": _dropout(content, model, folder)}
    extra: dict[str, Any] = {"kind": kind, "head": head}
    if kind == "span":
        extra |= {"span": {}, "max_tokens": min(limit, _MAX_SPAN_TOKENS), "no_answer_threshold": None}
        note = "gives an answer to every question; one that learned to give none wants --no-answer-threshold"
        return extra, [note]
    extra |= {"labels": labels, "max_tokens": limit}
    if kind == "token":
        return extra | {"num_overlap_words": _NUM_OVERLAP_WORDS}, _word_notes(WordNames(tuple(labels)), folder)
    reads = {"reads_mentions": False, "long_texts": "start", "marks": None, "is_pair": None, "pairs": None}
    notes = [f"labels texts or pairs of texts: {', '.join(labels)}", *_unnamed(labels, folder)]
    return extra | reads, notes


def _word_notes(names: WordNames, folder: Path) -> list[str]:
    notes = [f"finds {', '.join(names.types) or 'nothing'}; a word's label is that of its first sub-token"]
    if not names.are_tags:
        notes.append("the labels are of no IOB scheme: neighbouring words with the same one are one entity")
    if names.without_meaning:
        notes.append(f"labels that are no tags, read as O: {', '.join(names.without_meaning)}")
    return [*notes, *_unnamed(names.names, folder)]


def _unnamed(labels: Collection[str], folder: Path) -> list[str]:
    if not WordNames(tuple(labels)).are_unnamed:
        return []
    return [f"this model does not name its labels; write their names into id2label of {folder / CONFIG_FILE}"]


def _limit(model: ModelConfig, folder: Path) -> int:
    """The longest row: as many positions as there are, or fewer where the tokeniser cuts before."""
    path = folder / TOKENIZER_SETTINGS_FILE
    limit = read_json_table(path).get("model_max_length") if path.is_file() else None
    if not isinstance(limit, int | float) or limit < _SMALLEST_LIMIT:
        return model.max_positions
    return int(min(model.max_positions, limit))


def _dropout(content: Mapping[str, Any], model: ModelConfig, folder: Path) -> float:
    value = content.get("classifier_dropout")
    if value is None:
        return model.dropout
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ModelError(
            "wrong dropout",
            where=f"{folder / CONFIG_FILE}: classifier_dropout",
            given=repr(value),
            allowed="from 0 to below 1",
            remedy=_REMEDY,
        )
    return float(value)

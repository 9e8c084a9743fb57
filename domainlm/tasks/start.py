"""The model that fine-tuning starts from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from torch import nn

from domainlm.errors import ModelError
from domainlm.model.config import ModelConfig
from domainlm.model.files import load_weights, read_config
from domainlm.model.initialise import initialise
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.scores import Json
from domainlm.vocab.vocabulary import Vocabulary

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """A model folder whose parts fit together.

    Attributes:
        folder: the model folder.
        config: shape of its encoder.
        vocabulary: its vocabulary.
    """

    folder: Path
    config: ModelConfig
    vocabulary: Vocabulary


class _HeadedModel(Protocol):
    """An encoder with one head."""

    encoder: nn.Module
    head: nn.Module


def take_weights(model: nn.Module, start: Start, seed: int, *, kind: str, head: HeadSettings, **same: Json) -> None:
    """Put the start's weights into a model of a task: those of the encoder, and of the head where it fits.

    The head fits where the start was fine-tuned on a task of this kind, with a head of this shape, and its config.json
    says the same of what the head stands for; else a fresh one is drawn.

    Args:
        model: has an `encoder` and a `head`.
        start: the start.
        seed: of a fresh head.
        kind: of the task.
        head: the head's shape.
        same: keys of config.json, with what they must say (the labels, in their order).
    """
    if _head_fits(start, kind, head, same):
        load_weights(model, start.folder)
        return
    headed = cast(_HeadedModel, model)
    initialise(headed.head, seed)
    load_weights(headed.encoder, start.folder, prefix="encoder.")


def _head_fits(start: Start, kind: str, head: HeadSettings, same: Mapping[str, Json]) -> bool:
    """Whether the start's head can be taken; the log says so where it is of this kind and cannot."""
    found = read_config(start.folder)
    if found.kind != kind:
        return False
    given = found.extra.get("head")
    shape = given if isinstance(given, dict) else {}
    different = [key for key, value in same.items() if found.extra.get(key) != value]
    if shape.get("num_fc_layers") != head.num_fc_layers:
        different.append("head.num_fc_layers")
    elif head.num_fc_layers > 1 and shape.get("fc_hidden") != head.fc_hidden:
        different.append("head.fc_hidden")
    elif head.num_fc_layers > 1 and shape.get("activation", "gelu") != "gelu":
        different.append("head.activation")
    if different:
        _log.warning("%s: a fresh head is taken, since its own has other %s", start.folder, ", ".join(different))
    return not different


def open_start(folder: Path, max_tokens: int) -> Start:
    """Read a model folder's config.json and tokenizer.json.

    Args:
        folder: a model folder.
        max_tokens: longest row that the model will be given.

    Raises:
        ModelError: the folder cannot be read, its vocabulary is another one than the model's, or the model has too
            few positions.
        VocabularyError: the tokenizer.json cannot be read.
    """
    config = read_config(folder).model
    vocabulary = Vocabulary.load(folder)
    if vocabulary.size != config.vocabulary_size:
        raise ModelError(
            "the model folder holds the vocabulary of another model",
            where=folder / "tokenizer.json",
            given=f"{vocabulary.size:,} entries",
            allowed=f"{config.vocabulary_size:,} entries, as config.json says",
            remedy="put back the tokenizer.json that was saved with this model",
        )
    if max_tokens > config.max_positions:
        raise ModelError(
            "finetuning.max_tokens is larger than the model allows",
            where=folder,
            given=max_tokens,
            allowed=f"at most {config.max_positions}, the model's positions",
            remedy="lower finetuning.max_tokens: longer texts are read in overlapping windows, and no word is lost",
        )
    return Start(folder, config, vocabulary)

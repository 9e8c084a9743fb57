"""The model that fine-tuning starts from."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from domainlm.errors import ModelError
from domainlm.model.config import ModelConfig
from domainlm.model.files import read_config
from domainlm.recipe.schema import HeadSettings
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


def has_same_head(start: Start, kind: str, head: HeadSettings) -> bool:
    """Whether the start is a fine-tuned model of this kind whose head has this shape; says so in the log where not."""
    found = read_config(start.folder)
    if found.kind != kind:
        return False
    given = found.extra.get("head")
    shape = given if isinstance(given, dict) else {}
    same_layers = shape.get("num_fc_layers") == head.num_fc_layers
    if same_layers and (head.num_fc_layers == 1 or shape.get("fc_hidden") == head.fc_hidden):
        return True
    _log.warning("the head of %s has another shape than finetuning.head asks for: a fresh one is taken", start.folder)
    return False


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

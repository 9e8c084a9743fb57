"""The model that fine-tuning starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from domainlm.errors import ModelError
from domainlm.model.config import ModelConfig
from domainlm.model.files import read_config
from domainlm.vocab.vocabulary import Vocabulary


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

"""A model from elsewhere, and what it takes to make one of ours of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from domainlm.errors import ModelError, shortened
from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.model.files import save_tensors
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.vocab.vocabulary import Vocabulary

_WORD_EMBEDDING = "encoder.embeddings.word.weight"
_DECODER_BIAS = "masked_lm.bias"
BY_ENTRY = (_WORD_EMBEDDING, _DECODER_BIAS)
"""Tensors with a row for each entry of the vocabulary."""
_MAX_NAMED = 8


@dataclass(frozen=True, slots=True)
class ForeignModel:
    """Weights under this program's names.

    Attributes:
        where: the file or folder that they were read from.
        config: the encoder; `vocabulary_size` may still count padding.
        tensors: by name.
        origins: by the same names, what they are called in the source.
        unexpected: names in the source that mean nothing here.
        notes: what is taken over otherwise than it stands in the source.
        own: what config.json of a model folder says besides the encoder's shape, where the source is one, was exported
            from one, or is a task model.
        vocabulary: the vocab.txt that lay beside the weights in one archive.
    """

    where: Path
    config: ModelConfig
    tensors: Mapping[str, torch.Tensor]
    origins: Mapping[str, tuple[str, ...]]
    unexpected: tuple[str, ...]
    notes: tuple[str, ...] = ()
    own: Mapping[str, Any] | None = None
    vocabulary: bytes | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a model from elsewhere.

    Attributes:
        unexpected: tensors of the source that were left out.
        initialised: tensors that the source lacks and that were drawn anew.
        notes: what is otherwise than in the source.
    """

    unexpected: tuple[str, ...]
    initialised: tuple[str, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {key: list(value) for key, value in asdict(self).items()}

    def lines(self) -> list[str]:
        """For people, a line each."""
        lines = list(self.notes)
        if self.initialised:
            lines.append(f"missing, drawn anew: {', '.join(self.initialised)}")
        if self.unexpected:
            lines.append(f"not used: {', '.join(self.unexpected)}")
        return lines


def write_pretraining_model(
    foreign: ForeignModel,
    vocabulary: Vocabulary,
    folder: Path,
    *,
    sentence_order: bool | None = None,
    seed: int = 0,
    vocabulary_multiple: int = 1,
    dropout: float | None = None,
) -> tuple[ModelConfig, Taken]:
    """Write a model folder of kind "pretraining"; heads that the source lacks are drawn from the seed, and named.

    Args:
        foreign: the model.
        vocabulary: its vocabulary.
        folder: made anew where it is not there.
        sentence_order: with the head for pairs of segments; None: where the source has one.
        seed: of the weights that are missing.
        vocabulary_multiple: rows of zeros are added to the word embedding up to the next multiple.
        dropout: in place of the source's.

    Returns:
        The shape of the encoder, and what became of the tensors.

    Raises:
        ModelError: tensors of the encoder are missing, any is of another shape, or the vocabulary is larger than the
            word embedding.
    """
    config = _with_vocabulary(foreign, vocabulary, vocabulary_multiple, dropout)
    tensors = dict(_padded(foreign.tensors, config.padded_vocabulary_size))
    if sentence_order is None:
        sentence_order = "sentence_order.classifier.weight" in tensors
    model = PretrainingModel(config, sentence_order=sentence_order)
    wanted = model.state_dict()
    left_out = [name for name in tensors if name not in wanted]
    missing = [name for name in wanted if name not in tensors]
    check_encoder(missing, foreign.where)
    for name in left_out:
        del tensors[name]
    check_shapes(tensors, wanted, foreign.where)
    if missing:
        initialise(model, seed)
    model.load_state_dict(tensors, strict=False)
    unused = (origin for name in left_out for origin in foreign.origins[name])
    taken = Taken((*foreign.unexpected, *unused), tuple(missing), foreign.notes)
    facts = {"kind": "pretraining", "sentence_order": sentence_order}
    write_folder(folder, model.state_dict(), config, facts, vocabulary)
    return config, taken


def write_task_model(foreign: ForeignModel, vocabulary: Vocabulary, folder: Path) -> tuple[ModelConfig, Taken]:
    """Write a model folder of the kind that `foreign.own` says, with its head.

    Args:
        foreign: the model.
        vocabulary: its vocabulary.
        folder: made anew where it is not there.

    Returns:
        The shape of the encoder, and what became of the tensors.

    Raises:
        ModelError: tensors of the encoder are missing or of another shape, or the vocabulary is larger than the word
            embedding.
    """
    assert foreign.own is not None
    config = _with_vocabulary(foreign, vocabulary, 1, None)
    with torch.device("meta"):
        wanted = {f"encoder.{name}": tensor for name, tensor in Encoder(config).state_dict().items()}
    check_encoder([name for name in wanted if name not in foreign.tensors], foreign.where)
    encoder = {name: tensor for name, tensor in foreign.tensors.items() if name in wanted}
    check_shapes(encoder, wanted, foreign.where)
    check_finite({name: tensor for name, tensor in foreign.tensors.items() if name not in wanted}, foreign.where)
    write_folder(folder, foreign.tensors, config, foreign.own, vocabulary)
    return config, Taken(foreign.unexpected, (), foreign.notes)


def write_folder(
    folder: Path,
    tensors: Mapping[str, torch.Tensor],
    config: ModelConfig,
    extra: Mapping[str, Any],
    vocabulary: Vocabulary,
) -> None:
    """Write a model folder: tokenizer.json, model.safetensors, and config.json last."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary.save_tokenizer(folder / "tokenizer.json")
    save_tensors(folder, tensors, config, extra)


def check_encoder(missing: list[str], where: Path) -> None:
    """Heads may be missing, parts of the encoder may not."""
    lacking = [name for name in missing if name.startswith("encoder.")]
    if lacking:
        raise ModelError("tensors of the encoder are missing", where=where, given=shortened(lacking, _MAX_NAMED))


def check_shapes(tensors: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], where: Path) -> None:
    """Refuse tensors of other shapes than the model's, and those that are no finite numbers with a fraction."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise ModelError(
                f"{name} holds quantised weights",
                where=where,
                given=str(tensor.dtype).removeprefix("torch."),
                allowed="float32, float16 or bfloat16",
                remedy="export the model without quantisation",
            )
        if tensor.shape != wanted[name].shape:
            raise ModelError(
                f"{name} has another shape than config.json says",
                where=where,
                given=tuple(tensor.shape),
                allowed=str(tuple(wanted[name].shape)),
            )
    check_finite(tensors, where)


def check_finite(tensors: Mapping[str, torch.Tensor], where: Path) -> None:
    """Refuse infinite values and such as are no numbers."""
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ModelError(f"{name} holds values that are not finite", where=where, remedy="get the model anew")


def _with_vocabulary(
    foreign: ForeignModel, vocabulary: Vocabulary, vocabulary_multiple: int, dropout: float | None
) -> ModelConfig:
    rows = foreign.config.padded_vocabulary_size
    if vocabulary.size > rows:
        raise ModelError(
            "the vocabulary has more entries than the word embedding has rows",
            where=foreign.where,
            given=f"{vocabulary.size:,}",
            allowed=f"at most {rows:,}",
            remedy="give the vocabulary that the model was trained with",
        )
    padded = -(-rows // vocabulary_multiple) * vocabulary_multiple
    config = replace(foreign.config, vocabulary_size=vocabulary.size, padded_vocabulary_size=padded)
    return config if dropout is None else replace(config, dropout=dropout)


def _padded(tensors: Mapping[str, torch.Tensor], num_rows: int) -> dict[str, torch.Tensor]:
    """With rows of zeros below the word embedding and the decoder's bias."""
    padded = dict(tensors)
    for name in BY_ENTRY:
        if name in padded:
            tensor = padded[name]
            zeros = tensor.new_zeros(num_rows - len(tensor), *tensor.shape[1:])
            padded[name] = torch.cat([tensor, zeros]) if len(zeros) else tensor
    return padded

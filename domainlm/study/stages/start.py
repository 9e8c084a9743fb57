"""What pretraining starts from: fresh weights, a model from elsewhere, one with another vocabulary."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from domainlm.api import ModelSizeSpec
from domainlm.errors import ModelError
from domainlm.interop.carry import carry_vocabulary
from domainlm.interop.checkpoints import write_moments
from domainlm.interop.foreign import ForeignModel, write_pretraining_model
from domainlm.interop.read import read_model
from domainlm.model.config import ModelConfig
from domainlm.recipe.schema import ModelSettings, StartSettings
from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.sources import InputFile, empty_folder
from domainlm.text.corpus import read_sentences
from domainlm.train.assemble import create_start
from domainlm.vocab.sample import EvenSample, in_even_order
from domainlm.vocab.vocabulary import Vocabulary

_log = logging.getLogger(__name__)
MOMENTS = "optimizer.safetensors"
"""Beside the model of a start: the optimizer's state, where that is carried."""
_CHARACTERS_PER_SUB_TOKEN = 6
"""More than there are, so that a sample of so many characters is large enough."""


@dataclass(frozen=True, kw_only=True)
class StartStage(Stage):
    """Fresh weights for a vocabulary."""

    kind: ClassVar[str] = "start"

    size: ModelSizeSpec
    settings: ModelSettings
    sentence_order: bool
    seed: int
    hardware: Mapping[str, Any]

    def identity(self) -> Mapping[str, Any]:
        """The model's shape, its heads and the seed of its weights."""
        return {
            "size": self.size.reference,
            "settings": self.settings.model_dump(exclude={"size"}),
            "sentence_order": self.sentence_order,
            "seed": self.seed,
            "torch": self.hardware["torch"],
        }

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Draw the weights and write the model folder."""
        vocabulary_folder = context.inputs["vocabulary"] / "vocabulary"
        config = ModelConfig.from_spec(
            self.size,
            vocabulary_size=Vocabulary.load(vocabulary_folder).size,
            vocabulary_multiple=self.settings.vocabulary_multiple,
            architecture=self.settings.architecture,
            dropout=self.settings.dropout,
        )
        create_start(
            config,
            sentence_order=self.sentence_order,
            seed=self.seed,
            vocabulary=vocabulary_folder,
            folder=empty_folder(context.folder / "model"),
        )
        return {"parameters": config.num_parameters, "model": config.as_dict()}


@dataclass(frozen=True, kw_only=True)
class ImportedStartStage(Stage):
    """A model from elsewhere, with its own vocabulary; heads that it lacks are drawn anew."""

    kind: ClassVar[str] = "start"

    model_kind: str
    size: ModelSizeSpec
    folder: Path
    files: tuple[InputFile, ...]
    settings: ModelSettings
    sentence_order: bool
    seed: int
    hardware: Mapping[str, Any]
    carries_optimizer: bool = False

    def identity(self) -> Mapping[str, Any]:
        """The model's files, the heads it shall have and the seed of those it lacks."""
        return {
            "kind": self.model_kind,
            "heads": self.size.heads,
            "files": sorted((os.path.relpath(file.path, self.folder), file.sha256) for file in self.files),
            "settings": self.settings.model_dump(include={"dropout", "vocabulary_multiple"}),
            "sentence_order": self.sentence_order,
            "seed": self.seed,
            "torch": self.hardware["torch"],
            **({"optimizer": "carried"} if self.carries_optimizer else {}),
        }

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Read the model and write its folder; the facts say what was missing and what was left out."""
        foreign = read_model(self.folder, self.model_kind, heads=self.size.heads)
        _check_shape(foreign, self.size)
        config, taken = write_pretraining_model(
            foreign,
            Vocabulary.load(context.inputs["vocabulary"] / "vocabulary"),
            empty_folder(context.folder / "model"),
            sentence_order=self.sentence_order,
            seed=self.seed,
            vocabulary_multiple=self.settings.vocabulary_multiple,
            dropout=self.settings.dropout,
        )
        if self.carries_optimizer:
            write_moments(self.folder, context.folder / MOMENTS, config.padded_vocabulary_size)
        for line in taken.lines():
            _log.warning("%s: %s", self.label, line)
        return {"parameters": config.num_parameters, "model": config.as_dict(), "taken": taken.as_dict()}


@dataclass(frozen=True, kw_only=True)
class CarryStage(Stage):
    """A start with another vocabulary: new vectors of entries, everything else as it was."""

    kind: ClassVar[str] = "carry"
    version: ClassVar[int] = 2

    transfer: StartSettings
    settings: ModelSettings
    seed: int

    def identity(self) -> Mapping[str, Any]:
        """How new entries start, and the libraries that count and draw."""
        is_by_similarity = self.transfer.vocabulary_transfer == "similarity"
        of_similarity = {"max_similarity_sub_tokens"} if is_by_similarity else set()
        included = {"vocabulary_transfer", "copies_shared_entries", *of_similarity}
        return {
            "transfer": self.transfer.model_dump(include=included),
            "vocabulary_multiple": self.settings.vocabulary_multiple,
            "seed": self.seed,
            "numpy": version("numpy"),
            "tokenizers": version("tokenizers"),
            # Versions of their own: the others stay as they are.
            **({"similarity": 2} if is_by_similarity else {}),
            **({"mean": 2} if self.transfer.vocabulary_transfer != "random" else {}),
        }

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Write the model folder; the facts count the entries by how they start."""
        sentences: Iterable[str] = ()
        if "corpus" in context.inputs:
            text = context.inputs["corpus"] / "text" / "train.txt"
            budget = self.transfer.max_similarity_sub_tokens * _CHARACTERS_PER_SUB_TOKEN
            sentences = in_even_order(list(EvenSample(lambda: read_sentences(text), budget)))
        config, carried = carry_vocabulary(
            context.inputs["start"] / "model",
            Vocabulary.load(context.inputs["vocabulary"] / "vocabulary"),
            empty_folder(context.folder / "model"),
            start=self.transfer.vocabulary_transfer,
            copies_shared=self.transfer.copies_shared_entries,
            seed=self.seed,
            vocabulary_multiple=self.settings.vocabulary_multiple,
            sentences=sentences,
            max_sub_tokens=self.transfer.max_similarity_sub_tokens,
        )
        _log.info("%s: %s", self.label, ", ".join(f"{key} {value}" for key, value in carried.items()))
        return {"parameters": config.num_parameters, "model": config.as_dict(), "carried": carried}


def _check_shape(foreign: ForeignModel, size: ModelSizeSpec) -> None:
    found = foreign.config
    for name in ("layers", "hidden", "heads", "max_positions"):
        if getattr(found, name) != getattr(size, name):
            raise ModelError(
                f"{name} is {getattr(found, name)}, and {getattr(size, name)} in {size.name}",
                where=foreign.where,
                remedy="choose the model.size of this model",
            )

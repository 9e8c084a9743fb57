"""The stages of the language model: its start, its pretraining, its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from domainlm.api import ModelSizeSpec
from domainlm.model.config import ModelConfig
from domainlm.model.files import read_config
from domainlm.recipe.mixture_settings import MixtureSettings
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pretraining_settings import CHECKPOINT_SETTINGS, PretrainingSettings
from domainlm.recipe.schema import ModelSettings, RuntimeSettings
from domainlm.study.files import write_json
from domainlm.study.hardware import grid_identity
from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.sources import empty_folder
from domainlm.train.assemble import create_start, pretrain, score_language_model
from domainlm.train.corpora import EncodedCorpus, Mixture, epochs_read
from domainlm.train.ranks import Ranks, on_ranks
from domainlm.vocab.vocabulary import Vocabulary

_MIXED = "tokens of "


def mixed_role(name: str) -> str:
    """The role of a mixed-in corpus among the inputs of pretraining."""
    return f"{_MIXED}{name}"


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
class PretrainStage(Stage):
    """Masked-language-model pretraining; goes on from its last checkpoint when it was stopped."""

    kind: ClassVar[str] = "pretrain"
    version: ClassVar[int] = 2

    settings: PretrainingSettings
    runtime: RuntimeSettings
    hardware: Mapping[str, Any]
    corpus: str
    mixture: MixtureSettings
    ranks: Ranks = field(default_factory=Ranks)
    parallel: ParallelSettings = field(default_factory=ParallelSettings)

    def identity(self) -> Mapping[str, Any]:
        """The settings that decide the weights, and what computes them."""
        kept = self.settings.model_dump(exclude=set(CHECKPOINT_SETTINGS))
        facts = {"settings": kept, "hardware": dict(self.hardware) | grid_identity(self.ranks, self.parallel)}
        if not self.mixture.corpora:
            return facts
        weights = [self.mixture.weight, *(corpus.weight for corpus in self.mixture.corpora)]
        # In their order, which decides the seed of each.
        mixture = {"corpora": self._mixed_names(), "weights": weights, "exponent": self.mixture.exponent}
        return facts | mixture

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Train; leaves model/ and metrics.jsonl."""
        mixture, vocabulary = self._mixture(context), context.inputs["vocabulary"] / "vocabulary"
        arguments = {
            "settings": self.settings,
            "runtime": self.runtime,
            "start": context.inputs["start"] / "model",
            "tokens": context.inputs["tokens"] / "tokens" / "train",
            "vocabulary": vocabulary,
            "work": context.folder,
            "mixture": mixture,
            "parallel": self.parallel,
        }
        on_ranks(pretrain, arguments, ranks=self.ranks, work=context.folder, observer=context.observer)
        return {"steps": self.settings.num_steps, "epochs": epochs_read(self.settings, mixture, vocabulary)}

    def _mixed_names(self) -> list[str]:
        return [role.removeprefix(_MIXED) for role in self.inputs if role.startswith(_MIXED)]

    def _mixture(self, context: StageContext) -> Mixture:
        weights = [corpus.weight for corpus in self.mixture.corpora]
        first = EncodedCorpus(self.corpus, context.inputs["tokens"] / "tokens" / "train", self.mixture.weight)
        others = [
            EncodedCorpus(name, context.inputs[mixed_role(name)] / "tokens" / "train", weight)
            for name, weight in zip(self._mixed_names(), weights, strict=True)
        ]
        return Mixture([first, *others], self.mixture.exponent)


@dataclass(frozen=True, kw_only=True)
class GeneralStartStage(PretrainStage):
    """Pretraining on general text, to start from: its facts say what those of a start say, too."""

    kind: ClassVar[str] = "general"

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Train; leaves model/ and metrics.jsonl."""
        facts = super().make(context)
        config = read_config(context.folder / "model").model
        return {**facts, "parameters": config.num_parameters, "model": config.as_dict()}


@dataclass(frozen=True, kw_only=True)
class LanguageModelScoreStage(Stage):
    """Scores of the masked-language model on held-out documents."""

    kind: ClassVar[str] = "lm-score"
    version: ClassVar[int] = 2

    settings: PretrainingSettings
    runtime: RuntimeSettings
    hardware: Mapping[str, Any]

    def identity(self) -> Mapping[str, Any]:
        """What decides the sequences and the masks, and what computes the scores."""
        kept = self.settings.model_dump(include={"max_tokens", "second_objective", "masking"})
        return {"settings": kept, "hardware": dict(self.hardware)}

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Score; leaves scores.json."""
        scores = score_language_model(
            settings=self.settings,
            runtime=self.runtime,
            model=context.inputs["model"] / "model",
            tokens=context.inputs["tokens"] / "tokens" / "held_out",
            text=context.inputs["corpus"] / "text" / "held_out.txt",
            vocabulary=context.inputs["vocabulary"] / "vocabulary",
        )
        write_json(context.folder / "scores.json", scores)
        return scores

"""Pretraining of the language model, and of a general one to start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from domainlm.files import read_json
from domainlm.model.files import read_config
from domainlm.recipe.mixture_settings import MixtureSettings
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.study.hardware import grid_identity
from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.encode import held_out_tokens, train_tokens
from domainlm.study.stages.start import MOMENTS
from domainlm.train.assemble import pretrain
from domainlm.train.continuing import take_over_run
from domainlm.train.corpora import EncodedCorpus, Mixture, epochs_read
from domainlm.train.minutes import BUDGET_FILE
from domainlm.train.ranks import Ranks, on_ranks

_MIXED = "tokens of "
_EARLIER = "earlier steps"
_LAST_STEP = "last_step"
GENERAL_TOKENS = "general tokens"
"""The role of the general text's tokens among the inputs of a pretraining that scores itself on them."""
HELD_OUT_LOSS, GENERAL_HELD_OUT_LOSS = "held_out_loss", "general_held_out_loss"
"""What a pretraining that scores itself writes into its metrics."""


def mixed_role(name: str) -> str:
    """The role of a mixed-in corpus among the inputs of pretraining."""
    return f"{_MIXED}{name}"


@dataclass(frozen=True, kw_only=True)
class PretrainStage(Stage):
    """Masked-language-model pretraining; goes on from its last checkpoint when it was stopped.

    Where it ends at a scored step before the last one, its checkpoint stays, and the stage of the next scored step goes
    on from it. The bytes of a step do not depend on where the run was cut before, and neither does its key.
    """

    kind: ClassVar[str] = "pretrain"
    version: ClassVar[int] = 3

    settings: PretrainingSettings
    runtime: RuntimeSettings
    hardware: Mapping[str, Any]
    corpus: str
    mixture: MixtureSettings
    ranks: Ranks = field(default_factory=Ranks)
    parallel: ParallelSettings = field(default_factory=ParallelSettings)
    earlier: PretrainStage | None = field(default=None, compare=False)
    """The same pretraining up to an earlier step."""

    @property
    def hints(self) -> Mapping[str, Stage]:
        """The same pretraining up to an earlier step."""
        return {} if self.earlier is None else {_EARLIER: self.earlier}

    def can_go_on_from(self, other: PretrainStage) -> bool:
        """Whether `other` is the same pretraining up to an earlier step."""
        mine, its = (_without_last_step(stage.identity()) for stage in (self, other))
        keys = [{role: each.key for role, each in stage.inputs.items()} for stage in (self, other)]
        return mine == its and keys[0] == keys[1] and other.settings.last_step < self.settings.last_step

    def identity(self) -> Mapping[str, Any]:
        """The settings that decide the weights, and what computes them."""
        kept = self.settings.deciding()
        if self.settings.last_step < self.settings.num_steps:
            kept[_LAST_STEP] = self.settings.last_step
        if self.settings.num_steps_per_score is not None:
            kept["num_steps_per_score"] = self.settings.num_steps_per_score
        facts = {"settings": kept, "hardware": dict(self.hardware) | grid_identity(self.ranks, self.parallel)}
        if not self.mixture.corpora:
            return facts
        weights = [self.mixture.weight, *(corpus.weight for corpus in self.mixture.corpora)]
        # In their order, which decides the seed of each.
        mixture = {"corpora": self._mixed_names(), "weights": weights, "exponent": self.mixture.exponent}
        return facts | mixture

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Train; leaves model/ and metrics.jsonl."""
        if _EARLIER in context.inputs:
            take_over_run(context.inputs[_EARLIER], context.folder)
        mixture, vocabulary = self._mixture(context), context.inputs["vocabulary"] / "vocabulary"
        moments = context.inputs["start"] / MOMENTS
        arguments = {
            "settings": self.settings,
            "runtime": self.runtime,
            "start": context.inputs["start"] / "model",
            "tokens": train_tokens(context.inputs["tokens"]),
            "vocabulary": vocabulary,
            "work": context.folder,
            "mixture": mixture,
            "parallel": self.parallel,
            "held_out": self._held_out(context),
            "moments": moments if moments.is_file() else None,
        }
        on_ranks(pretrain, arguments, ranks=self.ranks, work=context.folder, observer=context.observer)
        done = self.settings.model_copy(update={"num_steps": self._steps_done(context.folder)})
        return {"steps": done.num_steps, "epochs": epochs_read(done, mixture, vocabulary)}

    def _held_out(self, context: StageContext) -> dict[str, Path]:
        """What to score while training."""
        if self.settings.num_steps_per_score is None:
            return {}
        roles = {HELD_OUT_LOSS: "tokens", GENERAL_HELD_OUT_LOSS: GENERAL_TOKENS}
        return {
            metric: held_out_tokens(context.inputs[role]) for metric, role in roles.items() if role in context.inputs
        }

    def _steps_done(self, folder: Path) -> int:
        if self.settings.max_minutes is None:
            return self.settings.last_step
        return int(read_json(folder / BUDGET_FILE)["num_steps"])

    def _mixed_names(self) -> list[str]:
        return [role.removeprefix(_MIXED) for role in self.inputs if role.startswith(_MIXED)]

    def _mixture(self, context: StageContext) -> Mixture:
        weights = [corpus.weight for corpus in self.mixture.corpora]
        first = EncodedCorpus(self.corpus, train_tokens(context.inputs["tokens"]), self.mixture.weight)
        others = [
            EncodedCorpus(name, train_tokens(context.inputs[mixed_role(name)]), weight)
            for name, weight in zip(self._mixed_names(), weights, strict=True)
        ]
        return Mixture([first, *others], self.mixture.exponent)


def _without_last_step(identity: Mapping[str, Any]) -> Mapping[str, Any]:
    """The identity of a pretraining, wherever it ends."""
    return {**identity, "settings": {key: value for key, value in identity["settings"].items() if key != _LAST_STEP}}


@dataclass(frozen=True, kw_only=True)
class GeneralStartStage(PretrainStage):
    """Pretraining on general text, to start from: its facts say what those of a start say, too."""

    kind: ClassVar[str] = "general"

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Train; leaves model/ and metrics.jsonl."""
        facts = super().make(context)
        config = read_config(context.folder / "model").model
        return {**facts, "parameters": config.num_parameters, "model": config.as_dict()}

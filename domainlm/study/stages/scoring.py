"""Scores of a language model without a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from domainlm.files import write_json
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.encode import held_out_tokens
from domainlm.train.assemble import score_language_model


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
            tokens=held_out_tokens(context.inputs["tokens"]),
            text=context.inputs["corpus"] / "text" / "held_out.txt",
            vocabulary=context.inputs["vocabulary"] / "vocabulary",
        )
        write_json(context.folder / "scores.json", scores)
        return scores

"""What observers are told: frozen facts about a run, its stages, steps, checkpoints and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """A run as it starts.

    Attributes:
        name: the recipe's name.
        recipe_path: the recipe file.
        out: the output folder.
        num_stages: stages the run consists of, cached ones included.
    """

    name: str
    recipe_path: Path
    out: Path
    num_stages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInfo:
    """A stage that ended.

    Attributes:
        kind: "corpus", "vocabulary", "encode", "start", "pretrain", "lm-score", "finetune", ...
        key: the hash that names its artifact.
        folder: its artifact.
        cached: True where the artifact was there before.
        seconds: wall-clock time; 0.0 where cached.
    """

    kind: str
    key: str
    folder: Path
    cached: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInfo:
    """An optimizer step.

    Attributes:
        phase: "pretrain" or "finetune".
        step: number of steps done, this one included.
        num_steps: steps of the whole phase.
        metrics: "loss", "learning_rate", "gradient_norm" and the parts of the loss; of a step that was skipped, since
            its loss or gradient was not finite, "skipped" and "learning_rate".
        num_tokens: real (not padding) sub-tokens of this step.
        seconds: duration of this step.
    """

    phase: str
    step: int
    num_steps: int
    metrics: Mapping[str, float]
    num_tokens: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointInfo:
    """A checkpoint that is complete on disk."""

    folder: Path
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One number about one model: a row of results.json.

    Attributes:
        stage: "lm-score", "finetune" or, of data and vocabularies that a recipe measures, "measure".
        task: spec name of the task, or "" for language models and corpora.
        dataset: the name the recipe gives the data.
        split: "dev" or "test" of a task, "held-out" of a language model; of a measurement the split that was counted,
            "train" too, or "" for a corpus.
        metric: "f1", "precision", "recall", "masked_lm_loss", ...
        protocol: how it was counted ("conlleval entity", ...), with ", before pretraining" behind it where it is a
            score of the model that pretraining started from.
        value: fractions from 0 to 1 for accuracies and F1; nats for losses; counts as they are.
        seed: of the fine-tuning or, of language models, the pretraining; of measurements the recipe's first.
        extra: further facts (model, size, parameters, vocabulary, corpus, start, steps, ...).
    """

    stage: str
    task: str
    dataset: str
    split: str
    metric: str
    protocol: str
    value: float
    seed: int
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run as it ended.

    Attributes:
        status: "complete", "interrupted" or "failed".
        results: OUT/results.json, where it was written.
        seconds: wall-clock time of this invocation.
        num_stages_cached: stages that were not computed again.
    """

    status: str
    results: Path | None
    seconds: float
    num_stages_cached: int

"""Fine-tuning on a task, once per seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from domainlm.api import SPLITS, Split, TaskSpec
from domainlm.files import read_json
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.study.hardware import grid_identity
from domainlm.study.stage import Stage, StageContext
from domainlm.study.stages.sources import InputFile, companion_identity, pairs_identity, sample_files
from domainlm.tasks.finetune import finetune
from domainlm.train.ranks import Ranks, on_ranks


@dataclass(frozen=True, kw_only=True)
class FinetuneStage(Stage):
    """Trains on a task's training split and scores its dev and test splits."""

    kind: ClassVar[str] = "finetune"
    version: ClassVar[int] = 2

    spec: TaskSpec
    name: str
    files: Mapping[Split, tuple[InputFile, ...]]
    companions: tuple[InputFile, ...] = ()
    settings: FinetuningSettings
    runtime: RuntimeSettings
    seed: int
    hardware: Mapping[str, Any]
    after: str = field(default="", compare=False)
    """Names of the tasks that its start was fine-tuned on; empty for the language model. For people, as `label` is."""
    ranks: Ranks = field(default_factory=Ranks)
    parallel: ParallelSettings = field(default_factory=ParallelSettings)

    @property
    def history(self) -> str:
        """Names of the tasks that the model has been fine-tuned on, this one last."""
        return f"{self.after}, then {self.name}" if self.after else self.name

    def identity(self) -> Mapping[str, Any]:
        """The data, the settings, the seed and what computes."""
        files = {split: [file.sha256 for file in files] for split, files in self.files.items()}
        # Signatures of part of a split once did not say of how much: such scores are made anew, whole splits' are not.
        part = {} if self.settings.max_scored_examples is None else {"signature_says": "how much was scored"}
        return {
            "spec": self.spec.reference,
            "files": files,
            **companion_identity(self.companions),
            **pairs_identity(self.spec),
            "settings": self.settings.model_dump(),
            "seed": self.seed,
            "hardware": dict(self.hardware) | grid_identity(self.ranks, self.parallel),
            **part,
        }

    def make(self, context: StageContext) -> Mapping[str, Any]:
        """Train and score; leaves model/, predictions, scores.json and metrics.jsonl."""
        paths = {split: tuple(file.path for file in files) for split, files in self.files.items()}
        if "sample" in context.inputs:
            sample = sample_files(context.inputs["sample"])
            paths = {split: sample[split] for split in SPLITS if split in sample}
        arguments = {
            "task": self.spec,
            "files": paths,
            "settings": self.settings,
            "runtime": self.runtime,
            "seed": self.seed,
            "start": context.inputs["model"] / "model",
            "work": context.folder,
            "parallel": self.parallel,
        }
        on_ranks(finetune, arguments, ranks=self.ranks, work=context.folder, observer=context.observer)
        outcome = read_json(context.folder / "scores.json")
        for split in SPLITS:
            context.problems.extend(outcome["problems"].get(split, {"counts": {}, "examples": []}))
        return {"choice": outcome["choice"], "data": outcome["data"]}

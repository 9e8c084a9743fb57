"""Fine-tuning on every task, with every seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from domainlm.recipe.resolved import ResolvedCell, ResolvedTask
from domainlm.study.files import FileHashes
from domainlm.study.graph_parts.samples import task_sample
from domainlm.study.ranks import ranks_of
from domainlm.study.stage import Stage
from domainlm.study.stages.finetune import FinetuneStage
from domainlm.study.stages.sources import InputFile


def finetuning_stages(
    cell: ResolvedCell, model: Stage, hashes: FileHashes, hardware: Mapping[str, Any]
) -> Iterator[FinetuneStage]:
    """A stage for each task and seed, in the recipe's order; each starts from `model`, or from another one's."""
    tasks = {task.name: task for task in cell.tasks}
    made: dict[tuple[str, int], FinetuneStage] = {}

    def stage(task: ResolvedTask, seed: int) -> FinetuneStage:
        key = (task.name, seed)
        if key not in made:
            before = None if task.after is None else stage(tasks[task.after], seed)
            made[key] = _finetune(task, cell, before or model, seed=seed, hashes=hashes, hardware=hardware)
        return made[key]

    for task in cell.tasks:
        for seed in cell.definition.recipe.seeds:
            yield stage(task, seed)


def _finetune(
    task: ResolvedTask, cell: ResolvedCell, model: Stage, *, seed: int, hashes: FileHashes, hardware: Mapping[str, Any]
) -> FinetuneStage:
    return FinetuneStage(
        label=f"{task.name}, {cell.definition.label}, seed {seed}",
        inputs={"model": model, **task_sample(task)},
        spec=task.spec,
        name=task.name,
        files=InputFile.by_split(task.files, hashes),
        companions=InputFile.all_of(task.companions(), hashes),
        settings=task.finetuning,
        runtime=cell.definition.recipe.runtime,
        seed=seed,
        hardware=hardware,
        after=model.history if isinstance(model, FinetuneStage) else "",
        ranks=ranks_of(cell),
        parallel=cell.definition.recipe.parallel,
    )

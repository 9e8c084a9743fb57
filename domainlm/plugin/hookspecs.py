"""Every hook a plugin may implement, with its exact arguments.

A plugin is a module (or an object) named by an entry point of the group `domainlm`; its functions are marked with
`domainlm.hookimpl`. An implementation may leave out arguments it has no use for, and must not add any.

There are two sorts. Declarations return what the plugin gives; they are called once, whenever domainlm starts, so
they must be cheap and import no heavy library. Observers are told what happened. They are called on world rank 0
only, so they must call no collective; what they return is ignored, and one that raises is reported in a warning
while the run goes on.

Where workers make the stages (`runtime.num_workers`, `--workers slurm`), `domainlm_step_ended` and
`domainlm_checkpoint_saved` are called in the worker, a new process for each stage that calls no other observer: what
they need must be opened when they are called first, not when the run starts. `run.out` is absolute there, and
`run.num_stages` counts all stages of the recipe. All other observers are called in the process of the run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from domainlm.api import (
    CheckpointInfo,
    CorpusSpec,
    ModelSizeSpec,
    OutputSpec,
    RecipeSpec,
    ReferenceTable,
    RunInfo,
    RunSummary,
    Score,
    StageInfo,
    StepInfo,
    TaskSpec,
    VocabularySpec,
)
from domainlm.plugin.marker import hookspec

if TYPE_CHECKING:
    import click


@hookspec
def domainlm_corpora() -> Iterable[CorpusSpec]:
    """Declare formats of pretraining text, each with its reader.

    Returns:
        The corpora; `spec` of a recipe's `[corpus]` names one.
    """
    return ()


@hookspec
def domainlm_vocabularies() -> Iterable[VocabularySpec]:
    """Declare subword vocabularies: learned from a recipe's corpus, or read from a file that the plugin ships.

    Returns:
        The vocabularies; `spec` of a recipe's `[vocabulary]` names one.
    """
    return ()


@hookspec
def domainlm_model_sizes() -> Iterable[ModelSizeSpec]:
    """Declare shapes of the encoder.

    Returns:
        The sizes; `size` of a recipe's `[model]` names one.
    """
    return ()


@hookspec
def domainlm_tasks() -> Iterable[TaskSpec]:
    """Declare downstream data sets: kind, reader and usual settings.

    Training on several ranks hands a spec to other processes: its functions stand at the top of a module.

    Returns:
        The tasks; `spec` of a recipe's `[[tasks]]` names one.
    """
    return ()


@hookspec
def domainlm_recipes() -> Iterable[RecipeSpec]:
    """Declare recipes that ship with the plugin.

    Returns:
        The recipes; `domainlm run NAME` runs one, and `extends` of another recipe may name it.
    """
    return ()


@hookspec
def domainlm_output_formats() -> Iterable[OutputSpec]:
    """Declare formats that predictions can be written in.

    Returns:
        The formats; `domainlm predict --output-format NAME` names one.
    """
    return ()


@hookspec
def domainlm_reference_tables() -> Iterable[ReferenceTable]:
    """Declare figures and findings of publications.

    Returns:
        The tables; `reference` of a recipe's `[report]` names one.
    """
    return ()


@hookspec
def domainlm_commands() -> Iterable[click.Command]:
    """Add commands to `domainlm`.

    Returns:
        The commands (`click.Command`, groups included), each under its own name beside the commands of the core.
    """
    return ()


@hookspec
def domainlm_run_started(run: RunInfo) -> None:
    """Called when a recipe is resolved and its first stage is about to start.

    Args:
        run: name, recipe file, output folder and number of stages.
    """


@hookspec
def domainlm_stage_ended(run: RunInfo, stage: StageInfo) -> None:
    """Called after each stage, also where its artifact was there before.

    Args:
        run: the run that the stage is part of.
        stage: kind, key, artifact folder, whether it was cached, and seconds it took.
    """


@hookspec
def domainlm_step_ended(run: RunInfo, step: StepInfo) -> None:
    """Called after each optimizer step of pretraining and fine-tuning. Keep it quick: training waits for it.

    Args:
        run: the run that the step is part of.
        step: phase, number, metrics, real sub-tokens and seconds.
    """


@hookspec
def domainlm_checkpoint_saved(run: RunInfo, checkpoint: CheckpointInfo) -> None:
    """Called when a checkpoint is complete on disk. It may be removed again once later ones are written.

    Args:
        run: the run that the checkpoint is part of.
        checkpoint: its folder and step.
    """


@hookspec
def domainlm_task_scored(run: RunInfo, score: Score) -> None:
    """Called for each score, cached ones included: one row of results.json.

    Args:
        run: the run that the score is part of.
        score: data set, split, metric, protocol, value, seed and further facts.
    """


@hookspec
def domainlm_run_ended(run: RunInfo, summary: RunSummary) -> None:
    """Called when a run ends, also where it was interrupted or failed.

    Args:
        run: the run.
        summary: status, results file, seconds and number of cached stages.
    """

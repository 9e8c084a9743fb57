"""Pretraining, whole or up to a scored step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.resolved import ResolvedCell
from domainlm.study.ranks import ranks_of
from domainlm.study.stage import Stage
from domainlm.study.stages.language_model import GENERAL_TOKENS, PretrainStage, mixed_role


def pretrain_stage(
    cell: ResolvedCell,
    read: Mapping[str, Stage],
    mixed: Sequence[tuple[str, Stage]],
    general_tokens: Stage | None,
    hardware: Mapping[str, Any],
    earlier: Iterable[PretrainStage],
) -> PretrainStage:
    """The stage that pretrains the model of a cell.

    Args:
        cell: the cell.
        read: start, tokens and vocabulary.
        mixed: names and tokens of the corpora that are mixed in.
        general_tokens: of the general text, where there is some.
        hardware: what computes.
        earlier: stages of pretraining in the graph, the last one first: one of them may be the same up to an earlier
            step.
    """
    recipe = cell.definition.recipe
    inputs = {**read, **{mixed_role(name): stage for name, stage in mixed}}
    if general_tokens is not None and recipe.pretraining.num_steps_per_score is not None:
        inputs[GENERAL_TOKENS] = general_tokens
    stage = PretrainStage(
        label=f"{cell.size.name} {_until(recipe.pretraining)}",
        inputs=inputs,
        settings=recipe.pretraining,
        corpus=cell.corpus.name,
        mixture=recipe.mixture,
        runtime=recipe.runtime,
        hardware=hardware,
        ranks=ranks_of(cell),
        parallel=recipe.parallel,
    )
    return replace(stage, earlier=next(filter(stage.can_go_on_from, earlier), None))


def _until(settings: PretrainingSettings) -> str:
    if settings.max_minutes is not None:
        return f"for {settings.max_minutes:g} minutes"
    if settings.last_step < settings.num_steps:
        return f"to step {settings.last_step} of {settings.num_steps}"
    return f"for {settings.num_steps} steps"

"""One pretraining that is scored at several steps: a cell for each of them, as if the steps were varied."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from domainlm.errors import RecipeError
from domainlm.recipe.pretraining_settings import PretrainingSettings

if TYPE_CHECKING:
    from domainlm.recipe.cells import Cell

SCORED_STEPS = "pretraining.scored_steps"
"""What cells are told apart by."""


def with_scored_steps(cells: Iterable[Cell]) -> Iterator[Cell]:
    """Each cell, or in its place one for each step that it is scored at, the last step among them.

    In such a cell `pretraining.scored_steps` holds its own step alone. Whatever else differs, the steps of one
    pretraining stand together, in their order.
    """
    for cell in cells:
        settings = cell.recipe.pretraining
        if not settings.scored_steps:
            yield cell
            continue
        for step in steps_to_score(settings.scored_steps, settings.num_steps):
            own = settings.model_copy(update={"scored_steps": (step,) if step else ()})
            recipe = cell.recipe.model_copy(update={"pretraining": own})
            yield replace(cell, varied={**cell.varied, SCORED_STEPS: step}, recipe=recipe)


def steps_to_score(scored_steps: Collection[int], num_steps: int) -> list[int]:
    """The steps that are scored, the last one among them."""
    return [*(step for step in scored_steps if step < num_steps), num_steps]


def pretraining_of(varied: Mapping[str, Any]) -> dict[str, Any]:
    """The varied values of a cell without its scored step: the same for all cells of one pretraining."""
    return {key: value for key, value in varied.items() if key != SCORED_STEPS}


def check_early_stop(settings: PretrainingSettings, tasks: Mapping[str, bool], where: str) -> None:
    """Check that there is a dev score to stop by.

    Args:
        settings: of pretraining.
        tasks: names of the tasks, and whether each has a dev split.
        where: the place in the recipe, for errors.

    Raises:
        RecipeError: no such task, or one without a dev split.
    """
    if settings.early_stop is None:
        return
    name = settings.early_stop.task
    if name not in tasks:
        raise RecipeError("there is no such task", where=f"{where}.task", given=name, allowed=[*tasks])
    if not tasks[name]:
        raise RecipeError(
            "this task has no dev split to stop by",
            where=f"{where}.task",
            given=name,
            remedy="give the task dev files, or name another one",
        )

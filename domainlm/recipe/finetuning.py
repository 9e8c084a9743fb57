"""The fine-tuning settings of a task, from the places that give some."""

from __future__ import annotations

from collections.abc import Mapping

from domainlm.api import TaskSpec
from domainlm.errors import RecipeError, SpecError
from domainlm.plugin.registry import Registry
from domainlm.recipe.schema import Recipe
from domainlm.recipe.task_settings import FinetuningSettings, TaskSettings
from domainlm.recipe.toml_source import Table
from domainlm.recipe.validate import validate_settings


def finetuning_of(
    settings: TaskSettings, spec: TaskSpec, recipe: Recipe, where: str, registry: Registry
) -> FinetuningSettings:
    """Schema defaults < the task spec's own < the recipe's [finetuning] < the task's own.

    Raises:
        SpecError: the spec's own are not sound by themselves.
        RecipeError: all together are not sound; `where` is the place of the task.
    """
    check_defaults(spec, f"plugin {registry.provider(spec)}, task {spec.reference}")
    merged: Table = {}
    layers: list[Table] = [dict(spec.defaults), recipe.finetuning.model_dump(exclude_unset=True)]
    if settings.finetuning is not None:
        layers.append(settings.finetuning.model_dump(exclude_unset=True))
    for layer in layers:
        _lay_over(merged, layer)
    return validate_settings(FinetuningSettings, merged, lambda _: f"{where}.finetuning (with {spec.name}'s defaults)")


def check_defaults(spec: TaskSpec, where: str) -> None:
    """Raise `SpecError` where the defaults of a spec are no settings of fine-tuning; `where` says whose it is."""
    try:
        validate_settings(FinetuningSettings, dict(spec.defaults), lambda _: f"{where}, defaults")
    except RecipeError as error:
        raise SpecError(
            error.problem,
            where=error.where,
            given=error.given,
            allowed=error.allowed,
            nearest=error.nearest,
            remedy="; ".join(filter(None, ("mend the defaults of the TaskSpec", error.remedy))),
        ) from None


def _lay_over(below: Table, above: Table) -> None:
    for key, value in above.items():
        if isinstance(value, Mapping):
            below[key] = dict(below.get(key, {}))
            _lay_over(below[key], dict(value))
        else:
            below[key] = value

"""The grid of a cell, checked against every phase of its training and the memory at hand."""

from __future__ import annotations

from domainlm.api import ModelSizeSpec
from domainlm.errors import RecipeError
from domainlm.model.config import ModelConfig
from domainlm.recipe.devices import Devices, devices_at_hand
from domainlm.recipe.grid import ResolvedGrid, resolve_grid
from domainlm.recipe.memory import check_memory, count_entries
from domainlm.recipe.resolved import ResolvedTask, ResolvedVocabulary, training_phases
from domainlm.recipe.schema import Recipe
from domainlm.recipe.work import work_of

_FOR_WHOLE_MODELS = {"max_minutes": None, "num_steps_per_score": None}
"""Settings that need the whole model in one process, with the values that ask for nothing."""


def cell_grid(
    recipe: Recipe,
    size: ModelSizeSpec,
    vocabulary: ResolvedVocabulary,
    tasks: tuple[ResolvedTask, ...],
    where: str,
    devices: Devices | None = None,
) -> ResolvedGrid:
    """The grid, checked for every phase; and whether training fits into this machine's memory.

    Devices are those of this machine where none are given.
    """
    config = model_config(recipe, size, vocabulary)
    devices = devices or devices_at_hand(recipe.runtime.device)
    phases = training_phases(recipe, tasks)
    works = [
        (label, work_of(config, phase, recipe.parallel, recipe.runtime, on_gpu=devices.kind == "cuda"))
        for label, phase in phases
    ]
    grid = resolve_grid(recipe.parallel, works, devices)
    _check_whole(recipe, grid)
    if devices.kind == "cpu" and not devices.is_launched:  # GPUs' memory shows when the model is built
        check_memory(works[0][1], grid.degrees, where, size.name)
    return grid


def model_config(recipe: Recipe, size: ModelSizeSpec, vocabulary: ResolvedVocabulary) -> ModelConfig:
    """The encoder's shape; with a vocabulary yet to be learned, of the size that was asked for."""
    learned = vocabulary.learn
    return ModelConfig.from_spec(
        size,
        vocabulary_size=max(1, learned.size if learned is not None else count_entries(vocabulary.file)),
        vocabulary_multiple=recipe.model.vocabulary_multiple,
        architecture=recipe.model.architecture,
        dropout=recipe.model.dropout,
    )


def _in_the_way(recipe: Recipe, grid: ResolvedGrid) -> list[str]:
    """What to set, so that one process trains the model as it is: `train.grid.needs_grid_worker` asks the same."""
    changes = []
    if grid.degrees.world_size > 1:
        changes.append("[parallel] data = 1, pipeline = 1, tensor = 1")
    if recipe.runtime.precision not in ("fp32", "bf16"):
        changes.append('runtime.precision = "bf16" or "fp32"')
    if recipe.parallel.activation_checkpointing != "off":
        changes.append('parallel.activation_checkpointing = "off"')
    return changes


def _check_whole(recipe: Recipe, grid: ResolvedGrid) -> None:
    changes = _in_the_way(recipe, grid)
    for key, nothing in _FOR_WHOLE_MODELS.items():
        value = getattr(recipe.pretraining, key)
        if changes and value != nothing:
            raise RecipeError(
                "this setting is for models that one process trains as a whole",
                where=f"pretraining: {key}",
                given=value,
                allowed="one rank, precision fp32 or bf16, and no activation checkpointing",
                remedy=f"leave {key} out, or set {' and '.join(changes)}",
            )

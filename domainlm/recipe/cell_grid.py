"""The grid of a cell, checked against every phase of its training and the memory at hand."""

from __future__ import annotations

from domainlm.api import ModelSizeSpec
from domainlm.model.config import ModelConfig
from domainlm.recipe.devices import devices_at_hand
from domainlm.recipe.grid import ResolvedGrid, resolve_grid
from domainlm.recipe.memory import check_memory, count_entries
from domainlm.recipe.resolved import ResolvedTask, ResolvedVocabulary, training_phases
from domainlm.recipe.schema import Recipe
from domainlm.recipe.work import work_of


def cell_grid(
    recipe: Recipe, size: ModelSizeSpec, vocabulary: ResolvedVocabulary, tasks: tuple[ResolvedTask, ...], where: str
) -> ResolvedGrid:
    """The grid, checked for every phase; and whether training fits into this machine's memory."""
    config = model_config(recipe, size, vocabulary)
    devices = devices_at_hand(recipe.runtime.device)
    phases = training_phases(recipe, tasks)
    works = [
        (label, work_of(config, phase, recipe.parallel, recipe.runtime, on_gpu=devices.kind == "cuda"))
        for label, phase in phases
    ]
    grid = resolve_grid(recipe.parallel, works, devices)
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

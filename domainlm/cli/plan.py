"""`domainlm plan`: what a recipe's pretraining costs, and on which grid of ranks it is cheapest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from domainlm.cli.arguments import json_option, recipe_argument, set_option
from domainlm.cli.plan_table import echo_plans
from domainlm.cli.state import cli_state
from domainlm.cli.table import echo_json
from domainlm.errors import RecipeError

if TYPE_CHECKING:
    from domainlm.model.config import ModelConfig
    from domainlm.plan.choose import Wish
    from domainlm.plan.plan import Plan
    from domainlm.plan.work import Degrees, Work
    from domainlm.plugin import Registry
    from domainlm.recipe.cells import Cell
    from domainlm.recipe.load import LoadedRecipe
    from domainlm.recipe.parallel_settings import ParallelSettings
    from domainlm.recipe.pretraining_settings import PretrainingSettings
    from domainlm.recipe.schema import Recipe
    from domainlm.recipe.start import ResolvedStart
    from domainlm.recipe.task_settings import FinetuningSettings

_GIB = 2**30
_TERA = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is planned for.

    Attributes:
        num_devices: to divide the work over; None takes those at hand.
        memory_bytes: of each; None takes what the machine says.
        operations_per_second: that each reaches; None leaves out times.
        vocabulary_size: in place of the recipe's.
    """

    num_devices: int | None = None
    memory_bytes: float | None = None
    operations_per_second: float | None = None
    vocabulary_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """One cell of the recipe's study.

    Attributes:
        label: of the cell.
        size: model-size spec.
        work: a step of its pretraining.
        on_gpu: counted for GPUs.
        num_devices: that the grid was chosen for.
        memory_bytes: of each; None where it is not known.
        num_steps: of its pretraining.
        copies_checkpoints: they are written in the background, from a copy in the host's memory.
        given: on the recipe's own grid; None where it leaves degrees to be chosen.
        chosen: on the cheapest grid; None where there is none.
        reason: of the choice, or why there is none.
    """

    label: str
    size: str
    work: Work
    on_gpu: bool
    num_devices: int
    memory_bytes: float | None
    num_steps: int
    copies_checkpoints: bool
    given: Plan | None
    chosen: Plan | None
    reason: str


@click.command(short_help="Work out what a recipe's pretraining costs, and choose a grid.")
@recipe_argument
@click.option("--devices", type=click.IntRange(min=1), help="Devices to plan for.  [default: those available]")
@click.option(
    "--memory",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GIB",
    help="Memory of each device.  [default: as found, or any amount]",
)
@click.option(
    "--flops",
    type=click.FloatRange(min=0, min_open=True),
    metavar="TFLOPS",
    help="Speed that each device reaches on the model, in 10^12 operations a second: its peak times 0.3 to 0.5.",
)
@click.option(
    "--vocabulary-size",
    type=click.IntRange(min=10),
    help="Entries, if the recipe's vocabulary file is not here.",
)
@set_option
@json_option
@click.pass_context
def plan(
    context: click.Context,
    recipe: str,
    devices: int | None,
    memory: float | None,
    flops: float | None,
    vocabulary_size: int | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Work out what a recipe's pretraining costs, and choose a grid of ranks.

    Parameters, memory of a rank by kind, waiting, operations, tokens and time, on the grid that the recipe states and
    on the one that would be chosen. Nothing is run and no data is read: the recipe's files need not be here, except for
    a model that it starts from.
    """
    from domainlm.recipe.load import load_given

    registry = cli_state(context).plugins.registry
    target = Target(
        num_devices=devices,
        memory_bytes=None if memory is None else memory * _GIB,
        operations_per_second=None if flops is None else flops * _TERA,
        vocabulary_size=vocabulary_size,
    )
    planned = list(plan_recipe(load_given(recipe, overrides, registry), registry, target))
    if as_json:
        echo_json([_as_dict(cell) for cell in planned])
    elif not planned:
        click.echo("nothing is trained: this recipe measures data and vocabularies as they are")
    else:
        echo_plans(planned)


def plan_recipe(loaded: LoadedRecipe, registry: Registry, target: Target) -> Iterator[PlannedCell]:
    """Plan every cell that pretrains, each kind of step once.

    Raises:
        UserError: unknown names, a vocabulary whose size is not known, degrees that cannot run.
    """
    trained = [cell for cell in loaded.cells if not cell.recipe.measure.is_asked_for]
    cells = [cell for cell in trained if cell.recipe.pretraining.num_steps] or trained[:1]
    seen: list[tuple[Work, int]] = []
    for cell in cells:
        planned = _plan_cell(cell, registry, target)
        if (planned.work, planned.num_steps) not in seen:
            seen.append((planned.work, planned.num_steps))
            yield planned


def _plan_cell(cell: Cell, registry: Registry, target: Target) -> PlannedCell:
    from domainlm.plan.choose import choose
    from domainlm.plan.plan import plan_of
    from domainlm.recipe.devices import devices_at_hand
    from domainlm.recipe.work import work_of

    recipe = cell.recipe
    size, config = _encoder(cell, registry, target.vocabulary_size)
    found = devices_at_hand("cpu" if recipe.runtime.device == "cpu" else "auto")
    num_devices = target.num_devices or found.number
    on_gpu = recipe.runtime.device == "cuda" or (
        recipe.runtime.device == "auto" and (found.kind == "cuda" or num_devices > 1)
    )
    work, *also = (
        replace(work_of(config, phase, recipe.parallel, recipe.runtime, on_gpu=on_gpu), label=label)
        for label, phase in _phases(recipe, registry)
    )
    memory = target.memory_bytes or found.memory_bytes
    wish, stated = _asked_grid(recipe.parallel, [work, *also])
    planned = partial(plan_of, work, operations_per_second=target.operations_per_second)
    given = None if stated is None else planned(stated)
    choice = choose(work, num_devices, memory, wish, also)
    return PlannedCell(
        label=cell.label,
        size=size,
        work=work,
        on_gpu=on_gpu,
        num_devices=num_devices,
        memory_bytes=memory,
        num_steps=recipe.pretraining.num_steps,
        copies_checkpoints=recipe.pretraining.checkpoints_in_background,
        given=given,
        chosen=None if choice.degrees is None else planned(choice.degrees, reason=choice.reason),
        reason=choice.reason,
    )


def _encoder(cell: Cell, registry: Registry, vocabulary_size: int | None) -> tuple[str, ModelConfig]:
    """The name of the cell's model size, and the encoder's shape."""
    from domainlm.model.config import ModelConfig
    from domainlm.recipe.start import resolve_start, start_size

    settings = cell.recipe.model
    start = resolve_start(cell.recipe.start, "start")
    size, _ = start_size(start, settings, registry, "model.size")
    config = ModelConfig.from_spec(
        size,
        vocabulary_size=vocabulary_size or _vocabulary_size(cell, registry, start),
        vocabulary_multiple=settings.vocabulary_multiple,
        architecture=settings.architecture,
        dropout=settings.dropout,
    )
    return size.name, config


def _asked_grid(parallel: ParallelSettings, works: Sequence[Work]) -> tuple[Wish, Degrees | None]:
    """What the choice of a grid is bound to, and the recipe's own grid where it states all degrees.

    Beside a grid of the recipe's own the best of all is shown, so that the choice is free then.
    """
    from domainlm.plan.choose import Wish
    from domainlm.plan.work import Degrees
    from domainlm.recipe.grid import check_grid

    fixed = {each.name: value for each in fields(Degrees) if (value := getattr(parallel, each.name)) != "auto"}
    if len(fixed) < len(fields(Degrees)):
        return Wish(**fixed), None
    grid = Degrees(**fixed)
    for each in works:
        check_grid(each, grid, each.phase)
    return Wish(), grid


def _phases(recipe: Recipe, registry: Registry) -> list[tuple[str, PretrainingSettings | FinetuningSettings]]:
    """Pretraining and what is trained after it on the same grid, each with what messages call it."""
    from domainlm.recipe.finetuning import finetuning_of

    phases: list[tuple[str, PretrainingSettings | FinetuningSettings]] = [("pretraining", recipe.pretraining)]
    for index, task in enumerate(recipe.tasks):
        where = f"tasks.{index}"
        spec = registry.task(task.spec, where=f"{where}.spec")
        label = f"finetuning of {task.name or spec.name.split('/', 1)[1]}"
        phases.append((label, finetuning_of(task, spec, recipe, where, registry)))
    return phases


def _vocabulary_size(cell: Cell, registry: Registry, start: ResolvedStart | None) -> int:
    from domainlm.recipe.memory import count_entries
    from domainlm.recipe.start import START_VOCABULARY

    settings = cell.recipe.vocabulary
    if start is not None and settings.spec in (None, START_VOCABULARY):
        return count_entries(start.vocabulary) + settings.num_added_words
    spec = registry.vocabulary(settings.spec or "core/wordpiece", where="vocabulary.spec")
    if settings.size is not None:
        return settings.size
    if spec.algorithm == "file":
        file = Path(settings.file) if settings.file is not None else spec.file
        entries = count_entries(file) if file is not None and file.is_file() else 0
    else:
        entries = spec.size or 0
    if not entries:
        raise RecipeError(
            "the size of this vocabulary is not known here", where="vocabulary", remedy="add --vocabulary-size ENTRIES"
        )
    return entries


def _as_dict(cell: PlannedCell) -> dict[str, Any]:
    def with_run(plan: Plan | None) -> dict[str, Any] | None:
        if plan is None:
            return None
        seconds = plan.seconds_per_step
        return plan.as_dict() | {"seconds_in_all": None if seconds is None else seconds * cell.num_steps}

    return {
        "cell": cell.label,
        "size": cell.size,
        "counted_for": "cuda" if cell.on_gpu else "cpu",
        "num_devices": cell.num_devices,
        "memory_bytes": cell.memory_bytes,
        "num_steps": cell.num_steps,
        "copies_checkpoints": cell.copies_checkpoints,
        "num_tokens": cell.num_steps * cell.work.num_tokens_per_step,
        "recipe_grid": with_run(cell.given),
        "chosen_grid": with_run(cell.chosen),
        "reason": cell.reason,
    }

"""Part of a study: the stages that some arms, values, data sets or seeds need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from domainlm.errors import RecipeError, nearest_name
from domainlm.recipe.resolved import Resolved
from domainlm.study.graph import CellStages, Graph
from domainlm.study.graph_parts.measures import MeasuredStages
from domainlm.study.stage import Stage
from domainlm.study.stages.finetune import FinetuneStage

DATASET, SEED = "dataset", "seed"
_WHERE = "--only"

Conditions = Mapping[str, tuple[str, ...]]
"""By key the patterns of which one must match."""


def stages_of(only: Sequence[str], graph: Graph, resolved: Resolved) -> frozenset[str]:
    """The keys of the stages that a part of a study needs.

    Args:
        only: `KEY=PATTERN` texts, KEY being "arm", a key of study.axes, "dataset" or "seed", PATTERN a value, with `*`
            for any text. Patterns of one key add up, and all keys must match.
        graph: all stages.
        resolved: the recipe.

    Raises:
        RecipeError: a key that is not varied, a pattern that nothing matches, or nothing that matches all of them.
    """
    conditions = _read(only, _known_values(graph, resolved))
    found = {stage.key for cell in graph.every_cell for stage in _wanted(cell, conditions)}
    if not found:
        raise RecipeError(
            "nothing in the study matches all of these",
            where=_WHERE,
            given=" ".join(only),
            remedy="`--dry-run` lists the stages of the study",
        )
    return frozenset(found)


def _known_values(graph: Graph, resolved: Resolved) -> dict[str, list[str]]:
    """By key the values to choose from."""
    values: dict[str, dict[str, None]] = {}
    chosen_on_dev = resolved.loaded.recipe.study.select  # needs the scores of all of its values
    for cell in graph.every_cell:
        for key, value in cell.definition.varied.items():
            if key not in chosen_on_dev:
                values.setdefault(key, {})[_text(value)] = None
        for dataset, seed in (_place(stage) for stage in _scoring(cell)):
            values.setdefault(DATASET, {})[dataset] = None
            if seed:
                values.setdefault(SEED, {})[seed] = None
    return {key: list(each) for key, each in values.items()}


def _read(only: Sequence[str], known: Mapping[str, Sequence[str]]) -> Conditions:
    conditions: dict[str, tuple[str, ...]] = {}
    for text in only:
        key, equals, pattern = (part.strip() for part in text.partition("="))
        if not equals or key not in known:
            raise RecipeError(
                "not something to choose by",
                where=_WHERE,
                given=text,
                allowed=f"KEY=VALUE with KEY one of {', '.join(known)}",
                nearest=nearest_name(key, known),
            )
        if not any(_matches(value, pattern) for value in known[key]):
            raise RecipeError(f"no such {key}", where=_WHERE, given=pattern, allowed=known[key])
        conditions[key] = (*conditions.get(key, ()), pattern)
    return conditions


def _wanted(cell: CellStages | MeasuredStages, conditions: Conditions) -> Iterator[Stage]:
    """The stages that a cell needs for its part; whole cells where neither data sets nor seeds are chosen."""
    varied = cell.definition.varied
    of_scores = {key: conditions[key] for key in (DATASET, SEED) if key in conditions}
    of_cells = {key: patterns for key, patterns in conditions.items() if key not in of_scores}
    if not all(key in varied and _is_any(_text(varied[key]), patterns) for key, patterns in of_cells.items()):
        return
    if not of_scores:
        yield from cell.ordered()
    chosen = [stage for stage in _scoring(cell) if of_scores and _is_chosen(stage, of_scores)]
    for stage in (*chosen, *(_deciding(cell) if chosen else ())):
        yield from stage.with_inputs()


def _is_chosen(stage: Stage, conditions: Conditions) -> bool:
    place = dict(zip((DATASET, SEED), _place(stage), strict=True))
    return all(_is_any(place[key], patterns) for key, patterns in conditions.items())


def _deciding(cell: CellStages | MeasuredStages) -> Sequence[Stage]:
    """The fine-tunings, of all seeds, whose dev scores decide at which step the cell's pretraining ends."""
    early_stop = cell.definition.recipe.pretraining.early_stop
    if early_stop is None or not isinstance(cell, CellStages):
        return ()
    return [stage for stage in cell.finetuning if stage.name == early_stop.task]


def _scoring(cell: CellStages | MeasuredStages) -> Sequence[Stage]:
    return cell.finetuning if isinstance(cell, CellStages) else (*cell.break_up_rates, *cell.task_facts)


def _place(stage: Stage) -> tuple[str, str]:
    """Data set and seed of a score; without a seed where nothing is trained."""
    return getattr(stage, "name", ""), str(stage.seed) if isinstance(stage, FinetuneStage) else ""


def _is_any(value: str, patterns: Sequence[str]) -> bool:
    return any(_matches(value, pattern) for pattern in patterns)


def _matches(value: str, pattern: str) -> bool:
    """Whether a value is as the pattern says; numbers also as TOML lets them be written: 2_000."""
    return value == pattern or fnmatchcase(value, pattern) or value == pattern.replace("_", "")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

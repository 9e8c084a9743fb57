"""What the recipe asked for: the title, the question, the cells, seeds and data sets that an answer takes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from domainlm.recipe.dotted import join_keys, leaves
from domainlm.recipe.scored_steps import SCORED_STEPS, steps_to_score
from domainlm.study.report.labels import clean
from domainlm.study.report.records import Scalar

_DEFAULT_CHOICE = "best_dev"
_NUM_STEPS = "pretraining.num_steps"
_MEASURES = tuple(f"measure.{name}" for name in ("break_up_rate", "task_facts", "corpus_facts"))
_ARM = "arm"
"""Key of the arm's name in the cells of results."""


@dataclass(frozen=True, slots=True)
class Question:
    """The recipe as the report needs it.

    Attributes:
        title: the recipe's name.
        paragraphs: its description; empty where it has none.
        cells: every combination of the varied values, in the order of the recipe; one empty cell where nothing varies.
        is_measured: by position in `cells`, whether data and vocabularies are measured and nothing is trained.
        seeds: one fine-tuning for each.
        datasets: names of the data sets, as rows name them.
        choices: by data set, which epoch's weights are scored: "best_dev" or "last"; empty where that is varied.
        num_steps: by position in `cells`, pretraining steps; None where the recipe does not say.
        has_one_set_of_tasks: whether every cell has all data sets; False where arms or axes change the tasks.
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    cells: tuple[Mapping[str, Scalar], ...] = ({},)
    is_measured: tuple[bool, ...] = (False,)
    seeds: tuple[int, ...] = ()
    datasets: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    num_steps: tuple[object, ...] = (None,)
    has_one_set_of_tasks: bool = True

    def cells_that(self, *, measure: bool) -> tuple[Mapping[str, Scalar], ...]:
        """The cells that only measure, or those that train."""
        return tuple(
            cell for cell, is_measured in zip(self.cells, self.is_measured, strict=True) if is_measured == measure
        )


def read_question(recipe: Mapping[str, Any], not_made: Collection[Mapping[str, Scalar]] = ()) -> Question:
    """Pick out of a resolved recipe what the report needs; what is absent or of another shape counts as not said.

    Args:
        recipe: as results have it.
        not_made: cells that no answer takes, since an early stop left them out.
    """
    arms = _mappings(dig(recipe, "study", "arms"))
    cells = _cells(_compared(dig(recipe, "study", "axes"), chosen_on_dev(recipe)), arms)
    set_by = {str(arm.get("name")): _flat(arm.get("set")) for arm in arms}

    def set_in(cell: Mapping[str, Scalar], key: str) -> object:
        by_arm = dig(set_by, str(cell.get(_ARM)), key)
        return cell.get(key, dig(recipe, *key.split(".")) if by_arm is None else by_arm)

    cells = tuple(cell for cell in _scored(cells, set_in) if cell not in not_made)
    seeds = dig(recipe, "seeds")
    default_choice = dig(recipe, "finetuning", "choose") or _DEFAULT_CHOICE
    choices: dict[str, str] = {}
    for task in _mappings(dig(recipe, "tasks")):
        # As the resolver names a data set: the last part of the spec's name where the recipe gives none.
        name = clean(str(task.get("name") or str(task.get("spec") or "").rpartition("/")[2]))
        choices[name] = str(dig(task, "finetuning", "choose") or default_choice)
    is_choice_varied = any("finetuning.choose" in varied for varied in (*cells, *filter(None, set_by.values())))

    return Question(
        title=clean(str(recipe.get("name") or "")) or "Results",
        paragraphs=_paragraphs(recipe.get("description")),
        cells=cells,
        is_measured=tuple(any(set_in(cell, key) for key in _MEASURES) for cell in cells),
        seeds=tuple(seed for seed in seeds if isinstance(seed, int)) if isinstance(seeds, list) else (),
        datasets=tuple(choices),
        choices={} if is_choice_varied else choices,
        num_steps=tuple(set_in(cell, _NUM_STEPS) for cell in cells),
        has_one_set_of_tasks=not any(_names_tasks(varied) for varied in (*cells, *filter(None, set_by.values()))),
    )


def dig(settings: object, *keys: str) -> Any:  # noqa: ANN401 - a value of any JSON type
    """Return the value below nested tables, or None where there is none."""
    for key in keys:
        if not isinstance(settings, Mapping):
            return None
        settings = settings.get(key)
    return settings


def _names_tasks(varied: object) -> bool:
    """Whether tasks themselves are changed, not only how they are fine-tuned."""
    keys = varied if isinstance(varied, Mapping) else ()
    return any(str(key).split(".")[0] == "tasks" and ".finetuning" not in str(key) for key in keys)


def _flat(settings: object) -> dict[str, object]:
    """What an arm sets by dotted key, however it is written: tables in tables mean the same."""
    return {join_keys(keys): value for keys, value in leaves(settings)} if isinstance(settings, Mapping) else {}


def chosen_on_dev(recipe: Mapping[str, Any]) -> Collection[str]:
    """The axes among whose values dev has chosen."""
    selected = dig(recipe, "study", "select")
    return selected if isinstance(selected, list) else ()


def _compared(axes: object, selected: Collection[str]) -> object:
    """The axes whose values are compared."""
    if not isinstance(axes, Mapping):
        return axes
    return {key: values for key, values in axes.items() if key not in selected}


def _cells(axes: object, arms: list[Mapping[str, Any]]) -> tuple[Mapping[str, Scalar], ...]:
    """Every arm with every combination of the axes."""
    lists: dict[str, list[Scalar]] = {_ARM: [arm.get("name") for arm in arms]} if arms else {}
    if isinstance(axes, Mapping) and all(isinstance(values, list) for values in axes.values()):
        lists |= axes
    return tuple(dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values()))


def _scored(
    cells: Iterable[Mapping[str, Scalar]], set_in: Callable[[Mapping[str, Scalar], str], object]
) -> Iterator[Mapping[str, Scalar]]:
    """Each cell, or one for each step that its pretraining is scored at."""
    for cell in cells:
        steps, num_steps = set_in(cell, SCORED_STEPS), set_in(cell, _NUM_STEPS)
        if isinstance(steps, list) and steps and isinstance(num_steps, int):
            yield from ({**cell, SCORED_STEPS: step} for step in steps_to_score(steps, num_steps))
        else:
            yield cell


def _mappings(entries: object) -> list[Mapping[str, Any]]:
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _paragraphs(description: object) -> tuple[str, ...]:
    parts = re.split(r"\n[ \t]*\n", description) if isinstance(description, str) else []
    return tuple(filter(None, map(clean, parts)))

"""Names of the facts that are counted of each kind of task, so that `[measure]` can be checked before anything is read.

What a task is described by stands in `domainlm/tasks/*/statistics.py`, above this layer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from domainlm.api import TaskKind
from domainlm.errors import RecipeError, nearest_name


def _lengths(name: str) -> tuple[str, ...]:
    return tuple(f"{name}, {measure}" for measure in ("mean", "median", "maximum"))


FACTS: Mapping[TaskKind, frozenset[str]] = {
    "token": frozenset(
        {
            *("documents", "examples", "words", "mentions", "nested mentions", "labelled entities", "label bias"),
            *("share of words outside", "share of examples with an entity", "reachable share of mentions"),
            *_lengths("entity length in words"),
        }
    ),
    "sequence": frozenset(
        {
            *("documents", "examples", "label bias", "relations", "relations within a sentence"),
            *("examples of mentions that overlap", "mentions in examples", "reachable share of relations"),
            *_lengths("text length in words"),
        }
    ),
    "span": frozenset(
        {
            *("questions", "examples", "contexts", "impossible questions", "answers", "examples with several places"),
            *("examples without a place", "questions answered verbatim", "share of questions answered verbatim"),
            *("repeats of the most frequent answer", "label bias"),
            *_lengths("answer length in words"),
            *_lengths("context length in words"),
        }
    ),
}
"""Those that have one name whatever the data; some are there only where the data has something to count."""

FACTS_BY_LABEL: Mapping[TaskKind, tuple[str, ...]] = {
    "token": ("mentions of type ",),
    "sequence": ("examples of label ", "relations of label "),
    "span": (),
}
"""What the names begin with that go on with a type or a label of the data."""


def is_by_label(name: str, kind: TaskKind) -> bool:
    """Whether a fact of this kind of task has such a name, which depends on the data."""
    return name.startswith(FACTS_BY_LABEL[kind]) and name not in FACTS[kind]


def check_task_facts(names: Collection[str], kinds: Collection[TaskKind], where: str) -> None:
    """Raise `RecipeError` for a name that no fact of these kinds of task has.

    Args:
        names: those that `measure.task_facts` asks for.
        kinds: of the recipe's tasks.
        where: the place in the recipe, for errors.
    """
    known = {name for kind in kinds for name in FACTS[kind]}
    beginnings = {beginning for kind in kinds for beginning in FACTS_BY_LABEL[kind]}
    for name in names:
        if name not in known and not any(is_by_label(name, kind) for kind in kinds):
            raise RecipeError(
                "no such fact of these tasks",
                where=where,
                given=name,
                allowed=[*sorted(known), *(f"{beginning}..." for beginning in sorted(beginnings))],
                nearest=nearest_name(name, sorted(known)),
                remedy="measure.task_facts names what `domainlm task stats` prints without a vocabulary",
            )

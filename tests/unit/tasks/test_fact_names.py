"""Recipes are checked against the names of facts that each kind of task really has."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from domainlm.api import (
    Answer,
    Entity,
    Mention,
    PairRules,
    ProblemLog,
    Relation,
    RelationExample,
    SequenceExample,
    SpanExample,
    TaskKind,
    TaskSpec,
    TokenExample,
)
from domainlm.recipe.task_facts import FACTS, FACTS_BY_LABEL, is_by_label
from domainlm.tasks.reading import SplitExamples

TEXT = "Vega left Oslo"
WORDS = ((0, 4), (5, 9), (10, 14))
MENTIONS = (Mention("v", 0, 4, "ship"), Mention("o", 10, 14, "port"), Mention("k", 5, 9, "port"))
DATA: list[tuple[TaskKind, dict[str, Any], list[Any]]] = [
    ("token", {}, [TokenExample("1", TEXT, WORDS, (Entity(0, 4, "ship"), Entity(10, 14, "port")))]),
    ("sequence", {"pairs": PairRules()}, [RelationExample("1", TEXT, MENTIONS, (Relation("v", "o", "left"),))]),
    ("sequence", {"scored_types": ("late",)}, [SequenceExample(str(n), "a b", ["late", "early"][n]) for n in (0, 1)]),
    ("span", {}, [SpanExample("1", "?", TEXT, (Answer(0, "Vega"),))]),
]


@pytest.mark.parametrize("kind", FACTS)
def test_the_names_are_those_that_are_counted(kind: TaskKind) -> None:
    describe = import_module(f"domainlm.tasks.{kind}.statistics").describe
    names: set[str] = set()
    for _, fields, examples in (each for each in DATA if each[0] == kind):
        spec = TaskSpec(name="t/t", description="t", kind=kind, read=lambda *_: iter(()), **fields)
        names |= {fact.name for fact in describe(spec, SplitExamples(tuple(examples), ProblemLog(), "here"), None)}
    by_label = {name for name in names if is_by_label(name, kind)}
    assert names - by_label == FACTS[kind]
    assert {name.rpartition(" ")[0] + " " for name in by_label} == set(FACTS_BY_LABEL[kind])

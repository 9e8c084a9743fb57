"""What a reader gives is looked at before anything trusts it, and whose reader it is stands in the error."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from domainlm.api import (
    Answer,
    DataError,
    Entity,
    Mention,
    ProblemLog,
    Relation,
    RelationExample,
    SequenceExample,
    SpanExample,
    TaskKind,
    TaskSpec,
    TokenExample,
)
from domainlm.api.record_types import example_fault
from domainlm.errors import PluginError

EGGS = TokenExample("a:0", "Eggs, cold.", ((0, 4), (6, 10)), (Entity(0, 4, "food"),))
SOUP = SequenceExample("a", "Soup.", "good", markers=(Entity(0, 4, "food"),))
MENU = RelationExample("a", "Ann cooks soup.", (Mention("1", 0, 3, "cook"), Mention("2", 10, 14, "food")), ())
COOK = SpanExample("a", "Who cooks?", "Ann cooks.", (Answer(0, "Ann"),))


def _with(record: Any, **fields: Any) -> Any:  # noqa: ANN401 - wrong types are the point
    return dataclasses.replace(record, **fields)


def _eggs_at(*place: Any) -> Any:  # noqa: ANN401 - likewise
    return _with(EGGS, entities=(Entity(*place),))


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        ("token", EGGS),
        ("token", _with(EGGS, words=[[0, 4]], entities=[])),
        ("sequence", SOUP),
        ("sequence", _with(SOUP, label="", second_text="Cold.")),
        ("sequence", _with(MENU, relations=(Relation("1", "2", "cooks"),))),
        ("span", COOK),
    ],
)
def test_sound_ones_pass(kind: TaskKind, example: object) -> None:
    assert example_fault(example, kind) is None


@pytest.mark.parametrize(
    ("kind", "example", "given", "allowed"),
    [
        ("token", {"text": "Eggs"}, "{'text': 'Eggs'}", "TokenExample"),
        ("token", SOUP, repr(SOUP), "TokenExample"),
        ("sequence", EGGS, repr(EGGS), "SequenceExample or RelationExample"),
        ("token", _with(EGGS, id=3), "TokenExample.id: 3", "a text"),
        ("token", _with(EGGS, text=b"Eggs"), "TokenExample.text: b'Eggs'", "a text"),
        ("token", _with(EGGS, words=("Eggs",)), "TokenExample.words: ('Eggs',)", "a tuple of pairs (start, end)"),
        ("token", _with(EGGS, entities=((0, 4),)), "TokenExample.entities: ((0, 4),)", "a tuple of Entity"),
        ("token", _eggs_at(0, "4", "food"), "Entity.end: '4'", "a whole number"),
        ("token", _eggs_at(0.0, 4, "food"), "Entity.start: 0.0", "a whole number"),
        ("token", _eggs_at(0, 4, 7), "Entity.type: 7", "a text that is not empty"),
        ("token", _eggs_at(0, 4, ""), "Entity.type: ''", "a text that is not empty"),
        ("sequence", _with(SOUP, label=1), "SequenceExample.label: 1", "a text"),
        ("sequence", _with(SOUP, second_text=1), "SequenceExample.second_text: 1", "a text or None"),
        (
            "sequence",
            _with(MENU, relations=(_with(Relation("1", "2", "x"), label=None),)),
            "Relation.label: None",
            "a text that is not empty",
        ),
        ("span", _with(COOK, accepted="Ann"), "SpanExample.accepted: 'Ann'", "a tuple of texts"),
    ],
)
def test_what_is_of_a_wrong_type_is_named(kind: TaskKind, example: object, given: str, allowed: str) -> None:
    assert example_fault(example, kind) == (given, allowed)


def _task(read: Callable[[Path, ProblemLog], Iterator[Any]]) -> TaskSpec:
    return TaskSpec(name="cook/foods", description="x", kind="token", read=read)


def _give_dictionaries(_: Path, __: ProblemLog) -> Iterator[Any]:
    yield EGGS
    yield {"id": "b", "text": "Eggs"}


def test_the_error_names_the_plugin_the_reader_and_the_file(tmp_path: Path) -> None:
    read = _task(_give_dictionaries).read_part(tmp_path / "some.txt", "train", ProblemLog())

    assert next(read) is EGGS
    with pytest.raises(PluginError, match="the reader gave an example that is not sound") as caught:
        next(read)

    line = _give_dictionaries.__code__.co_firstlineno
    assert caught.value.where is not None
    assert f"plugin {__name__}, cook/foods@1, {__file__}:{line}, {tmp_path / 'some.txt'}" in caught.value.where
    assert caught.value.allowed == "TokenExample"


def test_a_reader_of_the_core_is_no_plugin(tmp_path: Path) -> None:
    read = FunctionType(_give_dictionaries.__code__, {**globals(), "__name__": "domainlm.builtin.readers"})

    with pytest.raises(DataError, match="not sound"):
        list(_task(read).read_all(tmp_path / "some.txt", ProblemLog()))

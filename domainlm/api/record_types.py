"""What the fields of records hold: no type checker ran over somebody else's reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, SupportsIndex

from domainlm.api.records import (
    Answer,
    Entity,
    Mention,
    Relation,
    RelationExample,
    SequenceExample,
    SpanExample,
    TokenExample,
)

UNSOUND_EXAMPLE = "the reader gave an example that is not sound"
"""How errors say it."""

_MAX_SHOWN = 200


class TypeFault(NamedTuple):
    """What a record holds that it must not, and what it should hold there."""

    given: str
    allowed: str


class _Rule(NamedTuple):
    holds: Callable[[Any], bool]
    allowed: str


def _is_number(value: object) -> bool:
    return type(value) is int or isinstance(value, SupportsIndex)  # asking a protocol takes ten times as long


def _is_word(value: object) -> bool:
    if type(value) is not tuple and not isinstance(value, list | tuple):
        return False
    return len(value) == 2 and _is_number(value[0]) and _is_number(value[1])


_TEXT = _Rule(lambda value: isinstance(value, str), "a text")
_NAME = _Rule(lambda value: isinstance(value, str) and value != "", "a text that is not empty")
_NUMBER = _Rule(_is_number, "a whole number")

_RULES: Mapping[type, Mapping[str, _Rule]] = {
    Entity: {"start": _NUMBER, "end": _NUMBER, "type": _NAME},
    Mention: {"id": _NAME, "start": _NUMBER, "end": _NUMBER, "type": _NAME},
    Relation: {"first": _NAME, "second": _NAME, "label": _NAME},
    Answer: {"start": _NUMBER, "text": _TEXT},
    TokenExample: {
        "id": _TEXT,
        "text": _TEXT,
        "words": _Rule(
            lambda words: isinstance(words, tuple | list) and all(map(_is_word, words)), "a tuple of pairs (start, end)"
        ),
    },
    SequenceExample: {
        "id": _TEXT,
        "text": _TEXT,
        "label": _TEXT,
        "second_text": _Rule(lambda value: value is None or isinstance(value, str), "a text or None"),
        "group": _TEXT,
    },
    RelationExample: {"id": _TEXT, "text": _TEXT},
    SpanExample: {
        "id": _TEXT,
        "question": _TEXT,
        "context": _TEXT,
        "accepted": _Rule(
            lambda texts: isinstance(texts, tuple | list) and all(isinstance(text, str) for text in texts),
            "a tuple of texts",
        ),
        "group": _TEXT,
    },
}
_PARTS: Mapping[type, Mapping[str, type]] = {
    TokenExample: {"entities": Entity},
    SequenceExample: {"markers": Entity},
    RelationExample: {"mentions": Mention, "relations": Relation},
    SpanExample: {"answers": Answer},
}
"""Fields that hold records in turn."""

_EXAMPLES: Mapping[Literal["token", "sequence", "span"], tuple[type, ...]] = {
    "token": (TokenExample,),
    "sequence": (SequenceExample, RelationExample),
    "span": (SpanExample,),
}


def example_fault(example: object, kind: Literal["token", "sequence", "span"]) -> TypeFault | None:
    """What is of a wrong type in an example of a task of this kind; None where nothing is.

    A list may stand for a tuple. Whether places and labels fit is not looked at.
    """
    for wanted in _EXAMPLES[kind]:
        if isinstance(example, wanted):
            return _fault(example, wanted)
    return TypeFault(repr(example)[:_MAX_SHOWN], " or ".join(wanted.__name__ for wanted in _EXAMPLES[kind]))


def _fault(record: object, wanted: type) -> TypeFault | None:
    for name, rule in _RULES[wanted].items():
        value = getattr(record, name)
        if not rule.holds(value):
            return TypeFault(f"{wanted.__name__}.{name}: {value!r}"[:_MAX_SHOWN], rule.allowed)
    for name, part in _PARTS.get(wanted, {}).items():
        values = getattr(record, name)
        if not isinstance(values, tuple | list) or not all(isinstance(value, part) for value in values):
            return TypeFault(f"{wanted.__name__}.{name}: {values!r}"[:_MAX_SHOWN], f"a tuple of {part.__name__}")
        for value in values:
            if (fault := _fault(value, part)) is not None:
                return fault
    return None

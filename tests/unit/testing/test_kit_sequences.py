"""What the kit says of readers of sequence tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from domainlm.api import (
    DataError,
    Entity,
    Mention,
    PairRules,
    ProblemLog,
    Relation,
    RelationExample,
    SequenceExample,
    SpecError,
    TaskSpec,
)
from domainlm.testing import CheckError, check_task

_MENTIONS = (Mention("a", 4, 8, "ship"), Mention("b", 14, 18, "port"))
_TEXT = "The Vega left Oslo."


@dataclass(frozen=True)
class _Reads:
    """A reader that gives these, whatever is in the file; other processes can be handed it."""

    examples: tuple[object, ...]

    def __call__(self, path: Path, _: ProblemLog) -> Iterator[object]:
        if not path.is_file() or not path.stat().st_size:
            raise DataError("is missing or empty", where=path)
        yield from self.examples


def _spec(*examples: object, pairs: PairRules | None = None, types: tuple[str, ...] = ()) -> TaskSpec:
    read = _Reads(examples)
    return TaskSpec(name="test/logs", description="logs", kind="sequence", read=read, pairs=pairs, types=types)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "train.jsonl"
    file.write_text("x")
    return file


def test_sound_examples_are_counted(path: Path) -> None:
    texts = check_task(_spec(SequenceExample("1", "late", "a"), SequenceExample("2", "later", "a")), path)
    document = RelationExample("1", _TEXT, _MENTIONS, (Relation("a", "b", "left"), Relation("b", "a", "met")))
    relations = check_task(_spec(document, pairs=PairRules()), path)

    assert (texts.num_examples, texts.num_labels) == (2, {"a": 2})
    assert (relations.num_examples, relations.num_labels) == (1, {"left": 1, "met": 1})


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        ("text", "an example that is not sound"),
        (SequenceExample("1", " ", "a"), "text is empty"),
        (SequenceExample("1", "late"), "label is empty"),
        (SequenceExample("1", "late", "b"), "undeclared label"),
        (SequenceExample("1", "late", "a", markers=(Entity(0, 9, "x"),)), "outside the text"),
        (SequenceExample("1", "late", "a", markers=(Entity(0, 1, "x"),) * 3), "more than two markers"),
        (SequenceExample("1", "so late", "a", markers=(Entity(2, 4, "x"),)), "begins or ends with a blank"),
    ],
)
def test_broken_texts(path: Path, example: object, problem: str) -> None:
    with pytest.raises(CheckError, match=problem):
        check_task(_spec(example, types=("a",)), path)


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        (RelationExample("1", _TEXT, (*_MENTIONS, _MENTIONS[0])), "have one id"),
        (RelationExample("1", _TEXT, (Mention("a", 4, 99, "ship"),)), "outside the text"),
        (RelationExample("1", _TEXT, _MENTIONS, (Relation("a", "c", "left"),)), "two different mentions"),
        (RelationExample("1", _TEXT, _MENTIONS, (Relation("a", "a", "left"),)), "two different mentions"),
        (RelationExample("1", _TEXT, _MENTIONS, (Relation("a", "b", "left"),) * 2), "sorted, each once"),
        (RelationExample("1", _TEXT, _MENTIONS, (Relation("a", "b", "met"),)), "undeclared label"),
    ],
)
def test_broken_documents(path: Path, example: RelationExample, problem: str) -> None:
    with pytest.raises(CheckError, match=problem):
        check_task(_spec(example, pairs=PairRules(), types=("left",)), path)
    with pytest.raises(CheckError, match="need rules for pairs"):
        check_task(_spec(example), path)


def test_ids_are_unique(path: Path) -> None:
    with pytest.raises(CheckError, match="one id"):
        check_task(_spec(SequenceExample("1", "late", "a"), SequenceExample("1", "later", "a")), path)


@pytest.mark.parametrize("rules", [{"no_relation": ""}, {"dummies": {"ship": " "}}, {"type_pairs": (("", "b"),)}])
def test_rules_for_pairs_check_themselves(rules: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        PairRules(**rules)

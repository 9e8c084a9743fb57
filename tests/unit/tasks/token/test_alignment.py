from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.api import Entity, ProblemLog, TokenExample
from domainlm.tasks.token.alignment import (
    NOT_LABELLED,
    OVERLAPPING,
    SNAPPED,
    WORDLESS,
    chunk_tags,
    entity_chunks,
)
from domainlm.tasks.token.conlleval import Chunk, chunks

TEXT = "The steam-ship Vega left Oslo  today"
WORDS = ((0, 3), (4, 9), (9, 10), (10, 14), (15, 19), (20, 24), (25, 29), (31, 36))


def _align(*entities: Entity, types: tuple[str, ...] | None = None) -> tuple[list[Chunk], dict[str, int]]:
    problems = ProblemLog()
    found = entity_chunks(TokenExample("log:1", TEXT, WORDS, tuple(sorted(entities))), types, problems)
    return found, dict(problems.counts)


def test_borders_that_meet_words() -> None:
    found, counts = _align(Entity(4, 19, "ship"), Entity(25, 29, "place"))
    assert found == [Chunk(1, 5, "ship"), Chunk(6, 7, "place")]
    assert counts == {}
    assert chunk_tags(found, len(WORDS)) == ["O", "B-ship", "I-ship", "I-ship", "I-ship", "O", "B-place", "O"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (5, 9, (1, 2)),  # begins inside a word
        (10, 12, (3, 4)),  # ends inside a word
        (7, 12, (1, 4)),
        (14, 19, (4, 5)),  # a blank too many
        (25, 31, (6, 7)),
        (24, 32, (6, 8)),
    ],
)
def test_borders_inside_words_move_outward_and_are_counted(start: int, end: int, expected: tuple[int, int]) -> None:
    assert _align(Entity(start, end, "x")) == ([Chunk(*expected, "x")], {SNAPPED: 1})


@pytest.mark.parametrize("entity", [Entity(29, 31, "x"), Entity(3, 4, "x"), Entity(5, 5, "x")])
def test_an_entity_between_words_is_left_out_and_counted(entity: Entity) -> None:
    assert _align(entity) == ([], {WORDLESS: 1})


def test_of_nested_entities_the_outermost_is_kept() -> None:
    found, counts = _align(
        Entity(4, 14, "kind"), Entity(4, 19, "ship"), Entity(15, 19, "name"), Entity(25, 29, "place")
    )
    assert found == [Chunk(1, 5, "ship"), Chunk(6, 7, "place")]
    assert counts == {OVERLAPPING: 2}


def test_of_crossing_entities_the_longer_is_kept_and_of_equal_ones_the_left() -> None:
    assert _align(Entity(0, 14, "a"), Entity(10, 19, "b"))[0] == [Chunk(0, 4, "a")]
    assert _align(Entity(15, 24, "a"), Entity(20, 29, "b"))[0] == [Chunk(4, 6, "a")]
    assert _align(Entity(15, 24, "b"), Entity(15, 24, "a"))[0] == [Chunk(4, 6, "a")]


def test_two_entities_of_one_word_keep_the_longer() -> None:
    found, counts = _align(Entity(4, 6, "a"), Entity(6, 9, "b"))
    assert found == [Chunk(1, 2, "b")]
    assert counts == {SNAPPED: 2, OVERLAPPING: 1}


def test_other_types_are_left_out_and_counted() -> None:
    found, counts = _align(Entity(4, 19, "ship"), Entity(25, 29, "place"), types=("place",))
    assert found == [Chunk(6, 7, "place")]
    assert counts == {NOT_LABELLED: 1}


PLACES = st.tuples(st.integers(0, 36), st.integers(0, 20), st.sampled_from("ab"))
ENTITIES = st.lists(PLACES.map(lambda place: Entity(place[0], place[0] + place[1], place[2])), max_size=8)


@given(ENTITIES)
def test_every_entity_is_kept_or_counted_and_none_overlaps(entities: list[Entity]) -> None:
    found, counts = _align(*entities)
    assert len(found) + counts.get(OVERLAPPING, 0) + counts.get(WORDLESS, 0) == len(entities)
    assert all(before.end <= after.start for before, after in pairwise(found))
    assert chunks(chunk_tags(found, len(WORDS))) == found

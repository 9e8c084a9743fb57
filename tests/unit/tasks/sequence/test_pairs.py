"""Pairs of mentions: which there are, and how they are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.api import Entity, Mention, PairRules, ProblemLog, Relation, RelationExample
from domainlm.tasks.sequence.pairs import (
    MULTIPLE,
    OTHER_TYPES,
    OUT_OF_REACH,
    Pair,
    as_example,
    find_pairs,
    related_types,
)
from domainlm.text.annotated import sentence_examples
from domainlm.text.sentences import joined_spans, sentence_spans

TYPES = {("ship", "port")}
RULES = PairRules(dummies={"port": "@HARBOUR$"}, overlap_dummy="@SHIP-PORT$")


def _document(text: str, mentions: dict[str, tuple[str, str]], *relations: tuple[str, str, str]) -> RelationExample:
    """A document whose mentions are found by their texts; the nth of one text by n more `#` behind it."""
    placed = []
    for name, (surface, kind) in mentions.items():
        start = -1
        for _ in range(1 + surface.count("#")):
            start = text.index(surface.rstrip("#"), start + 1)
        placed.append(Mention(name, start, start + len(surface.rstrip("#")), kind))
    return RelationExample("log", text, tuple(placed), tuple(Relation(*each) for each in relations))


def test_pairs_within_a_sentence_and_no_others() -> None:
    document = _document(
        "The Vega left Oslo. The Lyra\nstays in Kiel.",
        {"v": ("Vega", "ship"), "o": ("Oslo", "port"), "l": ("Lyra", "ship"), "k": ("Kiel", "port")},
        ("v", "o", "left"),
    )
    pairs = list(find_pairs(document, TYPES, None))

    assert [(pair.first.id, pair.second.id, pair.labels) for pair in pairs] == [("v", "o", ("left",))]
    assert document.text[slice(*pairs[0].sentence)] == "The Vega left Oslo."


def test_what_no_example_stands_for_is_counted() -> None:
    document = _document(
        "The Vega left Oslo. The Lyra came.",
        {"v": ("Vega", "ship"), "o": ("Oslo", "port"), "l": ("Lyra", "ship")},
        ("l", "o", "left"),
        ("v", "l", "met"),
        ("v", "o", "left"),
        ("v", "o", "fled"),
    )
    problems = ProblemLog()
    (pair,) = find_pairs(document, TYPES, problems)

    assert pair.labels == ("fled", "left")
    assert problems.counts == {OUT_OF_REACH: 1, OTHER_TYPES: 1, MULTIPLE: 1}
    assert related_types([document]) == {("ship", "port"), ("ship", "ship")}


def test_a_mention_over_the_end_of_a_sentence_joins_two() -> None:
    text = "The M. Vega left. It rained."
    mention = Mention("m", text.index("left"), text.index("It") + 2, "ship")

    assert list(sentence_spans(text)) == [(0, 17), (18, 28)]
    assert joined_spans(sentence_spans(text), [(mention.start, mention.end)]) == [(0, 28)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0c", "\x85", "\u2028"])
def test_a_line_ends_a_sentence_of_relations_where_it_ends_one_of_labelled_words(end: str) -> None:
    text = f"Vega{end}met Lyra"
    document = _document(text, {"v": ("Vega", "ship"), "l": ("Lyra", "ship")})

    assert [example.text for example in sentence_examples("log", text, [])] == ["Vega", "met Lyra"]
    assert not list(find_pairs(document, {("ship", "ship")}, None))


def test_a_mention_is_no_pair_with_itself() -> None:
    document = _document("Vega met Lyra.", {"v": ("Vega", "ship"), "l": ("Lyra", "ship")})
    pairs = find_pairs(document, {("ship", "ship")}, None)

    assert [(pair.first.id, pair.second.id) for pair in pairs] == [("v", "l"), ("l", "v")]


def _pair(text: str, first: Mention, second: Mention, *labels: str) -> Pair:
    return Pair("log", (0, len(text)), first, second, labels)


def test_dummies_stand_where_the_mentions_stood() -> None:
    text = "In Oslo lies the Vega."
    pair = _pair(text, Mention("a", 17, 21, "ship"), Mention("b", 3, 7, "port"), "lies")
    example = as_example(pair, text, RULES, uses_dummies=True)

    assert example.text == "In @HARBOUR$ lies the @SHIP$."
    assert [example.text[each.start : each.end] for each in example.markers] == ["@SHIP$", "@HARBOUR$"]
    assert (example.id, example.group, example.label) == ("log.a.b", "log", "lies")


def test_one_dummy_stands_for_mentions_that_overlap() -> None:
    text = "The Oslo class is old."
    pair = _pair(text, Mention("a", 4, 14, "ship"), Mention("b", 4, 8, "port"))
    example = as_example(pair, text, RULES, uses_dummies=True)

    assert example.text == "The @SHIP-PORT$ is old."
    assert {example.text[each.start : each.end] for each in example.markers} == {"@SHIP-PORT$"}
    assert example.label == "none"


@st.composite
def _documents(draw: st.DrawFn) -> RelationExample:
    text = draw(st.text(st.sampled_from("ab .\nX"), min_size=1, max_size=60))
    mentions = []
    for number in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        mentions.append(Mention(str(number), start, end, draw(st.sampled_from(["ship", "port"]))))
    return RelationExample("log", text, tuple(mentions))


@given(_documents(), st.booleans())
def test_every_pair_is_shown_as_it_stands(document: RelationExample, uses_dummies: bool) -> None:
    for pair in find_pairs(document, TYPES, None):
        example = as_example(pair, document.text, RULES, uses_dummies=uses_dummies)
        for mention, marker in zip((pair.first, pair.second), example.markers, strict=True):
            assert pair.sentence[0] <= mention.start < mention.end <= pair.sentence[1]
            shown = example.text[marker.start : marker.end]
            if uses_dummies:
                assert shown in {RULES.dummy(mention.type), RULES.overlap_dummy}
            else:
                assert shown == document.text[mention.start : mention.end]
                assert isinstance(marker, Entity)

"""Strict IOB2 against seqeval; sub-token and character protocols against cases worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.v1 import precision_recall_fscore_support  # type: ignore[import-untyped]
from seqeval.scheme import IOB2, Entities  # type: ignore[import-untyped]

from domainlm.api import Entity
from domainlm.tasks.token.conlleval import Chunk
from domainlm.tasks.token.protocols import count_spans, count_sub_tokens, count_words, spread_tags, strict_chunks
from domainlm.tasks.token.task import _scores

TAGS = st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y"])
PAIRS = st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=12), min_size=1, max_size=4)


@given(tags=st.lists(TAGS, max_size=20))
def test_strict_chunks_are_those_of_seqeval(tags: list[str]) -> None:
    found = [Chunk(each.start, each.end, each.tag) for each in Entities([tags], IOB2).entities[0]]
    assert strict_chunks(tags) == found


@given(pairs=PAIRS)
def test_strict_scores_are_those_of_seqeval(pairs: list[list[tuple[str, str]]]) -> None:
    gold = [[pair[0] for pair in sentence] for sentence in pairs]
    predicted = [[pair[1] for pair in sentence] for sentence in pairs]
    *_, strict = count_words(gold, predicted)
    expected = precision_recall_fscore_support(gold, predicted, average="micro", scheme=IOB2, zero_division=0)
    pooled = strict.counts.pooled
    assert (pooled.precision, pooled.recall, pooled.f1) == pytest.approx(expected[:3])


def test_an_inside_tag_after_nothing_is_an_entity_for_conlleval_alone() -> None:
    lenient, strict = count_words([["O", "B-x", "I-x"]], [["I-x", "O", "I-x"]])
    assert (lenient.protocol, strict.protocol) == ("conlleval entity", "strict IOB2 entity")
    assert lenient.counts.pooled.found == 2
    assert strict.counts.pooled.found == 0


def test_gold_tags_spread_over_sub_tokens() -> None:
    assert spread_tags(["B-x", "I-x", "O", "B-x"], [2, 1, 3, 1]) == ["B-x", "I-x", "I-x", "O", "O", "O", "B-x"]


def test_sub_tokens_of_a_word_that_disagree_count_as_they_are() -> None:
    # Two gold entities of words [a b] and [c]; the word b is cut into two, and the model breaks off inside it.
    gold = spread_tags(["B-x", "I-x", "O", "B-x"], [1, 2, 1, 1])
    predicted = ["B-x", "I-x", "O", "O", "B-x"]
    counted = count_sub_tokens([gold], [predicted])
    assert counted.protocol == "sub-token entity"
    assert (counted.counts.pooled.gold, counted.counts.pooled.found, counted.counts.pooled.correct) == (2, 2, 1)


def test_character_spans_keep_nested_mentions_in_the_gold_standard() -> None:
    gold = [[Entity(0, 10, "x"), Entity(4, 10, "x"), Entity(12, 15, "y")]]
    predicted = [[Entity(0, 10, "x"), Entity(12, 16, "y")]]
    counted = count_spans(gold, predicted)
    pooled = counted.counts.pooled
    assert (pooled.gold, pooled.found, pooled.correct) == (3, 2, 1)
    assert counted.counts.by_type["y"].correct == 0


def test_what_a_model_finds_wrongly_does_not_change_the_signature() -> None:
    """Else its scores would not be comparable with those of a model, or a seed, that does not find that type."""
    gold = [["B-ship", "O"]]
    signatures = {
        score.signed("data", seed=0).signature
        for found in ([["B-ship", "O"]], [["B-ship", "B-port"]], [["O", "O"]])
        for score in _scores("test", next(count_words(gold, found)))
        if not score.type
    }
    assert signatures == {"conlleval:1|protocol:conlleval entity|labels:ship|split:test|data:data|seeds:0"}

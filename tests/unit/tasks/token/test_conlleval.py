"""Against numbers of the Perl script, hand-worked cases, and seqeval as an outside judge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import (  # type: ignore[import-untyped]
    get_entities,
    precision_recall_fscore_support,
)

from domainlm.tasks.counts import Counts
from domainlm.tasks.token.conlleval import Chunk, chunks, count_entities, split_tag

# conlleval.jsonl: 23 nasty and 200 generated cases; the numbers are those that the script of 2004-01-26 gives for them:
# [gold, found, correct], of all types and of each, and its own precision, recall and F1 in per cent.
CASES = [json.loads(line) for line in (Path(__file__).parent / "data" / "conlleval.jsonl").read_text().splitlines()]

TAGS = st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y", "B-long-name", "I-long-name"])
SENTENCE_PAIRS = st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=12), min_size=1, max_size=4)


def _sentences(text: str) -> list[list[str]]:
    return [sentence.split() for sentence in text.split("|")]


def test_counts_and_percentages_are_those_of_the_perl_script() -> None:
    assert len(CASES) == 223
    for case in CASES:
        counts = count_entities(_sentences(case["gold"]), _sentences(case["predicted"]))
        pooled = counts.pooled
        assert [pooled.gold, pooled.found, pooled.correct] == case["pooled"], case
        by_type = {name: [each.gold, each.found, each.correct] for name, each in counts.by_type.items()}
        assert by_type == case["types"], case
        percent = [round(100 * value, 2) for value in (pooled.precision, pooled.recall, pooled.f1)]
        assert percent == pytest.approx(case["percent"], abs=0.0101), case


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("B-x I-x O", [(0, 2, "x")]),
        ("I-x I-x", [(0, 2, "x")]),  # I- opens at the start of a sentence
        ("O I-x", [(1, 2, "x")]),  # ... after O
        ("B-x I-y", [(0, 1, "x"), (1, 2, "y")]),  # ... and after another type
        ("B-x B-x", [(0, 1, "x"), (1, 2, "x")]),  # B- always opens
        ("I-x B-x I-x", [(0, 1, "x"), (1, 3, "x")]),
        ("B-x O I-x", [(0, 1, "x"), (2, 3, "x")]),
        ("B-a-b I-a-b I-a", [(0, 2, "a-b"), (2, 3, "a")]),  # the type is all after the first hyphen
        ("B I I-x", [(0, 2, ""), (2, 3, "x")]),
    ],
)
def test_chunks_by_hand(tags: str, expected: list[tuple[int, int, str]]) -> None:
    assert chunks(tags.split()) == [Chunk(*each) for each in expected]


def test_a_sentence_break_closes_an_entity() -> None:
    counts = count_entities([["B-x", "I-x"], ["I-x", "O"]], [["B-x", "I-x"], ["I-x", "I-x"]])
    assert counts.pooled == Counts(gold=2, found=2, correct=1)


def test_partial_overlap_is_wrong_on_both_sides() -> None:
    counts = count_entities([["B-x", "I-x", "O"]], [["B-x", "O", "O"]])
    assert counts.pooled == Counts(gold=1, found=1, correct=0)
    assert (counts.pooled.precision, counts.pooled.recall, counts.pooled.f1) == (0.0, 0.0, 0.0)


def test_scores_of_nothing_are_zero() -> None:
    pooled = count_entities([["O"]], [["O"]]).pooled
    assert (pooled.precision, pooled.recall, pooled.f1) == (0.0, 0.0, 0.0)


def test_f1_is_the_harmonic_mean() -> None:
    counts = Counts(gold=4, found=6, correct=3)  # P = 1/2, R = 3/4, F1 = 2 * 3/8 / (5/4) = 3/5
    assert (counts.precision, counts.recall) == (0.5, 0.75)
    assert counts.f1 == pytest.approx(0.6)


@pytest.mark.parametrize("tag", ["E-x", "S-x", "b-x", "X", "", "-x", "BX"])
def test_tags_of_other_schemes_are_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="is not a tag"):
        split_tag(tag)


def test_sentences_must_have_as_many_words() -> None:
    with pytest.raises(ValueError, match="2 predicted tags for a sentence of 1 words"):
        count_entities([["O"]], [["O", "O"]])
    with pytest.raises(ValueError, match="zip"):
        count_entities([["O"]], [])


@given(SENTENCE_PAIRS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_scores_are_those_of_seqeval(sentences: list[list[tuple[str, str]]]) -> None:
    """In its default mode seqeval differs in one thing only, which the tags here leave out; see below."""
    gold = [[tag for tag, _ in sentence] for sentence in sentences]
    predicted = [[tag for _, tag in sentence] for sentence in sentences]
    pooled = count_entities(gold, predicted).pooled
    precision, recall, f1, _ = precision_recall_fscore_support(gold, predicted, average="micro", zero_division=0)
    assert (pooled.precision, pooled.recall, pooled.f1) == pytest.approx((precision, recall, f1))


@given(SENTENCE_PAIRS)
def test_counts_of_each_type_are_those_of_seqeval(sentences: list[list[tuple[str, str]]]) -> None:
    gold = [[tag for tag, _ in sentence] for sentence in sentences]
    predicted = [[tag for _, tag in sentence] for sentence in sentences]
    in_gold, found = set(get_entities(gold)), set(get_entities(predicted))
    counts = count_entities(gold, predicted).by_type
    assert set(counts) == {name for name, _, _ in in_gold | found}
    for name, each in counts.items():
        expected = [{entry for entry in entities if entry[0] == name} for entities in (in_gold, found, in_gold & found)]
        assert [each.gold, each.found, each.correct] == [len(entities) for entities in expected]


def test_where_seqeval_differs() -> None:
    """seqeval calls the missing type of a bare `B` or `I` "_", so that it goes on with `B-_`; conlleval does not."""
    assert get_entities(["B-_", "I"]) == [("_", 0, 1)]
    assert chunks(["B-_", "I"]) == [Chunk(0, 1, "_"), Chunk(1, 2, "")]

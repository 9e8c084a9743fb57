from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from domainlm.tasks.token.conlleval import chunks
from domainlm.tasks.token.decoding import allowed_paths
from domainlm.tasks.token.labels import LabelSet

Probabilities = npt.NDArray[np.float32]
LABELS = LabelSet(("person", "ship"))
WORDS = st.integers(1, 5).flatmap(
    lambda size: arrays(np.float32, (size, len(LABELS.tags)), elements=st.floats(0.0, 1.0, width=32))
)


def is_iob2(tags: list[str]) -> bool:
    """Told by the definition: what goes on has begun, or goes on itself, with the same type."""
    return all(
        not tag.startswith("I-") or (last != "O" and last[2:] == tag[2:]) for last, tag in pairwise(["O", *tags])
    )


def decode(probabilities: Probabilities, sizes: list[int]) -> list[list[str]]:
    ends = np.cumsum(sizes).tolist()
    sentences = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    labels = allowed_paths(probabilities, LABELS.may_follow, sentences)
    return [[LABELS.tags[label] for label in labels[each]] for each in sentences]


def log_likelihood(probabilities: Probabilities, tags: list[str]) -> float:
    chosen = [probabilities[place, LABELS.ids[tag]] for place, tag in enumerate(tags)]
    return float(np.log(np.maximum(np.array(chosen, dtype=np.float64), np.finfo(np.float32).tiny)).sum())


@given(WORDS)
def test_no_allowed_sequence_is_likelier(probabilities: Probabilities) -> None:
    """Against all sequences there are."""
    (tags,) = decode(probabilities, [len(probabilities)])
    assert is_iob2(tags)
    every = (list(each) for each in product(LABELS.tags, repeat=min(len(tags), 3)))
    short = decode(probabilities[:3], [min(len(tags), 3)])[0]
    best = max(log_likelihood(probabilities[:3], each) for each in every if is_iob2(each))
    assert log_likelihood(probabilities[:3], short) == pytest.approx(best)


@given(st.lists(WORDS, min_size=1, max_size=6))
def test_sentences_do_not_touch_each_other(sentences: list[Probabilities]) -> None:
    together = decode(np.concatenate(sentences), [len(each) for each in sentences])
    assert together == [decode(each, [len(each)])[0] for each in sentences]


@given(WORDS)
def test_what_breaks_no_rule_stays(probabilities: Probabilities) -> None:
    tags = [LABELS.tags[label] for label in probabilities.argmax(axis=1)]
    if is_iob2(tags):
        assert decode(probabilities, [len(tags)]) == [tags]


def test_an_entity_that_never_began_is_begun_or_dropped_whichever_is_likelier() -> None:
    # O, B-person, I-person, B-ship, I-ship
    rows = np.array([[0.6, 0.3, 0.0, 0.1, 0.0], [0.1, 0.0, 0.9, 0.0, 0.0]], dtype=np.float32)
    assert decode(rows, [2]) == [["B-person", "I-person"]]
    rows[1] = [0.45, 0.05, 0.5, 0.0, 0.0]
    assert decode(rows, [2]) == [["O", "O"]]  # 0.6 x 0.45 beats 0.3 x 0.5
    assert chunks(["O", "I-person"]) != chunks(["O", "O"])


def test_a_sentence_without_words() -> None:
    empty = np.zeros((0, len(LABELS.tags)), dtype=np.float32)
    assert decode(empty, [0]) == [[]]

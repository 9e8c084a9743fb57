from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.vocab import lattice
from domainlm.vocab.lattice import Lattices, best_without_itself
from domainlm.vocab.substrings import Substrings, Words, find_substrings

_COUNTS = st.dictionaries(st.text("abc", min_size=1, max_size=5), st.integers(1, 4), min_size=1, max_size=5)


def _all_ways(word: str) -> Iterator[list[str]]:
    if not word:
        yield []
    for end in range(1, len(word) + 1):
        for rest in _all_ways(word[end:]):
            yield [word[:end], *rest]


def _scored(counts: dict[str, int], data: st.DataObject) -> tuple[Words, Substrings, dict[str, float]]:
    """Substrings with drawn log-probabilities; some of them are no pieces."""
    words = Words.of(counts)
    substrings = find_substrings(words, max_length=4, min_frequency=1)
    texts = [
        words.text(place, length)
        for place, length in zip(substrings.places.tolist(), substrings.lengths.tolist(), strict=True)
    ]
    draw = st.floats(-9.0, -0.5)
    return (
        words,
        substrings,
        {text: data.draw(draw if len(text) == 1 else st.one_of(draw, st.just(-math.inf))) for text in texts},
    )


@settings(deadline=None, max_examples=50)
@given(_COUNTS, st.data())
def test_counts_are_expected_over_all_ways_to_cut(counts: dict[str, int], data: st.DataObject) -> None:
    words, substrings, scores = _scored(counts, data)
    expected: defaultdict[str, float] = defaultdict(float)
    log_likelihood = 0.0
    for word, count in counts.items():
        ways = [(way, math.exp(sum(scores.get(piece, -math.inf) for piece in way))) for way in _all_ways(word)]
        total = sum(probability for _, probability in ways)
        log_likelihood += count * math.log(total)
        for way, probability in ways:
            for piece in way:
                expected[piece] += count * probability / total
    found = Lattices(words, substrings).expectation(np.array(list(scores.values())))
    assert found.log_likelihood == pytest.approx(log_likelihood)
    assert found.counts.tolist() == pytest.approx([expected[text] for text in scores])


@settings(deadline=None, max_examples=50)
@given(_COUNTS, st.data())
def test_the_best_way_is_counted(counts: dict[str, int], data: st.DataObject) -> None:
    words, substrings, scores = _scored(counts, data)
    found = dict(zip(scores, Lattices(words, substrings).best_counts(np.array(list(scores.values()))), strict=True))
    for word in counts:
        ways = {tuple(way): sum(scores.get(piece, -math.inf) for piece in way) for way in _all_ways(word)}
        assert max(ways.values()) > -math.inf
    total = sum(
        count * max(sum(scores.get(piece, -math.inf) for piece in way) for way in _all_ways(word))
        for word, count in counts.items()
    )
    assert sum(number * scores[text] for text, number in found.items() if number) == pytest.approx(total)
    num_characters = sum(len(word) * count for word, count in counts.items())
    assert sum(number * len(text) for text, number in found.items()) == num_characters


@settings(deadline=None, max_examples=50)
@given(_COUNTS, st.data())
def test_the_best_way_without_the_whole_is_found(counts: dict[str, int], data: st.DataObject) -> None:
    _, substrings, scores = _scored(counts, data)
    found = best_without_itself(substrings, np.array(list(scores.values())))
    for text, cut in zip(scores, found.tolist(), strict=True):
        ways = [sum(scores.get(piece, -math.inf) for piece in way) for way in _all_ways(text) if len(way) > 1]
        assert cut == pytest.approx(max(ways, default=-math.inf))


def test_words_of_one_length_may_be_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    words = Words.of({"abc": 2, "bca": 1, "cab": 3, "aaa": 1, "b": 5})
    substrings = find_substrings(words, max_length=3, min_frequency=1)
    scores = -np.linspace(1.0, 3.0, len(substrings))
    whole = Lattices(words, substrings).expectation(scores)
    monkeypatch.setattr(lattice, "_WORDS_AT_ONCE", 1)
    parts = Lattices(words, substrings).expectation(scores)
    assert parts.counts.tolist() == pytest.approx(whole.counts.tolist())
    assert Lattices(words, substrings).best_counts(scores).sum() > 0
